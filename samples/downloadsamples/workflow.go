package main

import (
	"context"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/samples/internal/github"
)

// tooOldAfter is how long after its last commit a sample is too old.
const tooOldAfter = 365 * 24 * time.Hour

// Run is one download of everything.
type Run struct {
	ID           int64  `json:"id"`
	Organization string `json:"organization"`
}

// Sample is a repository with samples, as the database has it.
type Sample struct {
	RepositoryID int64     `json:"repositoryId"`
	Name         string    `json:"name"`
	URL          string    `json:"url"`
	LastCommit   time.Time `json:"lastCommit"` // zero when there is none
	TooOld       bool      `json:"tooOld"`
}

// SampleOf is a sample of an organization.
type SampleOf struct {
	Organization string `json:"organization"`
	Sample       Sample `json:"sample"`
}

// Samples are the samples of a run.
type Samples struct {
	RunID   int64    `json:"runId"`
	Samples []Sample `json:"samples"`
}

// Languages are how many repositories of a run have which language.
type Languages struct {
	RunID int64          `json:"runId"`
	Count map[string]int `json:"count"`
}

// perHour is what GitHub allows with a token, for all downloads on all workers together: 5,000 requests an hour, less a hundred because a
// list takes a request for each page.
var perHour = durable.WithLimit(durable.RateLimit{Name: "github", Count: 4900, Per: time.Hour})

// The activities by their names. What they do needs a GitHub and a database, so main binds it.
var (
	createRun = durable.DeclareActivity[string, int64]("CommonActivityFunctions_CreateRun")

	getAllRepositories   = durable.DeclareActivity[string, []Sample]("DownloadSamples_GetAllPublicRepositories", perHour)
	updateRepositoryData = durable.DeclareActivity[SampleOf, Sample]("DownloadSamples_UpdateRepositoryData", perHour)
	saveAllToDatabase    = durable.DeclareActivity[Samples, durable.Void]("DownloadSamples_SaveAllToDatabase")

	countLanguages = durable.DeclareActivity[string, map[string]int]("DownloadSomethingElse_CountLanguages", perHour)
	saveLanguages  = durable.DeclareActivity[Languages, durable.Void]("DownloadSomethingElse_SaveAllToDatabase")
)

// retry outlasts short troubles of GitHub, the network and the database.
var retry = durable.WithRetry(durable.RetryPolicy{MaxAttempts: 4, FirstInterval: 2 * time.Second, BackoffCoefficient: 2})

// MainDownload makes a run and downloads for it all there is to download, side by side. It returns its instance id.
var MainDownload = durable.NewOrchestrator("MainDownloadOrchestrator", func(ctx *durable.Context, organization string) (string, error) {
	id, err := createRun.Call(ctx, organization, retry).Await()
	if err != nil {
		return "", err
	}
	run := Run{ID: id, Organization: organization}
	err = durable.AwaitAll(
		DownloadSamples.Call(ctx, run),
		DownloadSomethingElse.Call(ctx, run),
	)
	return ctx.InstanceID(), err
})

// daily starts a download at seven every morning.
func daily(organization string) *durable.Schedule {
	return durable.NewSchedule("daily-download", MainDownload, organization, durable.Cron("0 0 7 * * *"))
}

// DownloadSamples finds the repositories of an organization, asks for the last commit of all of them side by side, and saves them together. It
// returns how many there are.
var DownloadSamples = durable.NewOrchestrator("DownloadSamples_Orchestrator", func(ctx *durable.Context, run Run) (int, error) {
	repositories, err := getAllRepositories.Call(ctx, run.Organization, retry).Await()
	if err != nil {
		return 0, err
	}
	tasks := make([]*durable.Task[Sample], len(repositories))
	for i, r := range repositories {
		tasks[i] = updateRepositoryData.Call(ctx, SampleOf{run.Organization, r}, retry)
	}
	samples, err := durable.WhenAll(tasks)
	if err != nil {
		return 0, err
	}
	limit := ctx.Now().Add(-tooOldAfter)
	for i := range samples {
		samples[i].TooOld = samples[i].LastCommit.Before(limit)
	}
	_, err = saveAllToDatabase.Call(ctx, Samples{run.ID, samples}, retry).Await()
	return len(samples), err
})

// DownloadSomethingElse counts the languages of an organization's repositories, and saves them. It returns how many there are.
var DownloadSomethingElse = durable.NewOrchestrator("DownloadSomethingElse_Orchestration", func(ctx *durable.Context, run Run) (int, error) {
	count, err := countLanguages.Call(ctx, run.Organization, retry).Await()
	if err != nil {
		return 0, err
	}
	_, err = saveLanguages.Call(ctx, Languages{run.ID, count}, retry).Await()
	return len(count), err
})

// bind gives the activities what they work with.
func bind(client *github.Client, db *database) []durable.Registrable {
	return []durable.Registrable{
		MainDownload, DownloadSamples, DownloadSomethingElse,
		createRun.With(func(ctx context.Context, organization string) (int64, error) {
			return db.createRun(ctx, durable.ActivityInfo(ctx).InstanceID, organization)
		}),
		getAllRepositories.With(func(ctx context.Context, organization string) ([]Sample, error) {
			listed, err := client.Repositories(ctx, organization)
			samples := make([]Sample, len(listed))
			for i, r := range listed {
				samples[i] = Sample{RepositoryID: r.ID, Name: r.Name, URL: r.URL}
			}
			return samples, err
		}),
		updateRepositoryData.With(func(ctx context.Context, in SampleOf) (sample Sample, err error) {
			sample = in.Sample
			sample.LastCommit, err = client.LastCommit(ctx, in.Organization, sample.Name)
			return sample, err
		}),
		saveAllToDatabase.With(func(ctx context.Context, in Samples) (durable.Void, error) {
			return durable.Void{}, db.saveSamples(ctx, in.RunID, in.Samples)
		}),
		countLanguages.With(func(ctx context.Context, organization string) (map[string]int, error) {
			listed, err := client.Repositories(ctx, organization)
			count := map[string]int{}
			for _, r := range listed {
				count[r.Language]++
			}
			return count, err
		}),
		saveLanguages.With(func(ctx context.Context, in Languages) (durable.Void, error) {
			return durable.Void{}, db.saveLanguages(ctx, in.RunID, in.Count)
		}),
	}
}
