package main

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/durabletest"
)

// newEnv is a hub in memory with two repositories, one of which had its last commit 366 days ago, and without a database.
func newEnv(t *testing.T) *durabletest.Env {
	t.Helper()
	env := durabletest.New(t)
	env.Register(DownloadSamples, DownloadSomethingElse)
	durabletest.Mock(env, createRun, func(context.Context, string) (int64, error) { return 42, nil })
	durabletest.Mock(env, getAllRepositories, func(context.Context, string) ([]Sample, error) {
		return []Sample{{RepositoryID: 1, Name: "old"}, {RepositoryID: 2, Name: "new"}}, nil
	})
	durabletest.Mock(env, updateRepositoryData, func(_ context.Context, in SampleOf) (Sample, error) {
		in.Sample.LastCommit = durabletest.DefaultStart.AddDate(0, 0, -364)
		if in.Sample.Name == "old" {
			in.Sample.LastCommit = durabletest.DefaultStart.AddDate(0, 0, -366)
		}
		return in.Sample, nil
	}).Takes(time.Minute)
	durabletest.Mock(env, countLanguages, func(context.Context, string) (map[string]int, error) { return map[string]int{"Go": 2}, nil })
	durabletest.Mock(env, saveAllToDatabase, func(context.Context, Samples) (durable.Void, error) { return durable.Void{}, nil })
	durabletest.Mock(env, saveLanguages, func(context.Context, Languages) (durable.Void, error) { return durable.Void{}, nil })
	return env
}

func TestMainDownload(t *testing.T) {
	t.Parallel()
	env := newEnv(t)
	got := durabletest.Run(env, MainDownload, "acme", durable.WithInstanceID("main"))
	if got.Err != nil || got.Output != "main" || got.Elapsed != time.Minute { // all side by side
		t.Errorf("%q after %v, %v", got.Output, got.Elapsed, got.Err)
	}
	want := Run{ID: 42, Organization: "acme"}
	if a, b := durabletest.ChildInputs(env, DownloadSamples), durabletest.ChildInputs(env, DownloadSomethingElse); len(a) != 1 || a[0] != want || len(b) != 1 || b[0] != want {
		t.Errorf("the children got %v and %v", a, b)
	}
	saved := durabletest.Inputs(env, saveAllToDatabase)
	if len(saved) != 1 || saved[0].RunID != 42 || !saved[0].Samples[0].TooOld || saved[0].Samples[1].TooOld {
		t.Errorf("saved %+v", saved)
	}
	if all := durabletest.Inputs(env, saveLanguages); !reflect.DeepEqual(all, []Languages{{42, map[string]int{"Go": 2}}}) {
		t.Errorf("saved %+v", all)
	}
}

// TestNothingSavedInPart checks that a repository which cannot be read ends the run before anything of it is saved.
func TestNothingSavedInPart(t *testing.T) {
	t.Parallel()
	env := newEnv(t)
	env.On(updateRepositoryData).FailTimes(1, durable.Permanent(errors.New("gone")))
	if got := durabletest.Run(env, MainDownload, "acme"); got.Err == nil {
		t.Errorf("output %q", got.Output)
	}
	env.AssertNotCalled(saveAllToDatabase)
	env.AssertCalled(saveLanguages)
}

func TestTroubleIsOutlasted(t *testing.T) {
	t.Parallel()
	env := newEnv(t)
	env.On(updateRepositoryData).FailTimes(2, errors.New("502 Bad Gateway"))
	env.On(createRun).FailTimes(3, errors.New("database is locked"))
	if got := durabletest.Run(env, MainDownload, "acme"); got.Err != nil {
		t.Error(got.Err)
	}
	env.AssertCalledTimes(updateRepositoryData, 4)
}
