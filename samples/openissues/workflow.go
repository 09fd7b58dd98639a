package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/samples/internal/github"
)

// container is where the lists are saved.
const container = "open-issues"

// Repository is a repository of an organization.
type Repository struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// RepositoryOf names a repository of an organization.
type RepositoryOf struct {
	Organization string     `json:"organization"`
	Repository   Repository `json:"repository"`
}

// OpenIssues says how many open issues a repository has.
type OpenIssues struct {
	ID         int64  `json:"id"`
	Name       string `json:"name"`
	OpenIssues int    `json:"openIssues"`
}

// The activities by their names. What they do needs a GitHub and an account, so main binds it.
var (
	getRepositories = durable.DeclareActivity[string, []Repository]("GetAllRepositoriesForOrganization")
	getOpenIssues   = durable.DeclareActivity[RepositoryOf, OpenIssues]("GetOpenedIssues")
	saveAll         = durable.DeclareActivity[[]OpenIssues, durable.Void]("SaveRepositories")
)

// retry outlasts short troubles of GitHub and of the network.
var retry = durable.WithRetry(durable.RetryPolicy{MaxAttempts: 4, FirstInterval: 2 * time.Second, BackoffCoefficient: 2})

// Workflow asks for the repositories of an organization, for the open issues of all of them side by side, and saves the list. It returns its
// instance id, under which the list is found.
var Workflow = durable.NewOrchestrator("OpenIssues", func(ctx *durable.Context, organization string) (string, error) {
	repositories, err := getRepositories.Call(ctx, organization, retry).Await()
	if err != nil {
		return "", err
	}
	tasks := make([]*durable.Task[OpenIssues], 0, len(repositories))
	for _, r := range repositories {
		tasks = append(tasks, getOpenIssues.Call(ctx, RepositoryOf{organization, r}, retry))
	}
	counted, err := durable.WhenAll(tasks)
	if err != nil {
		return "", err
	}
	if _, err := saveAll.Call(ctx, counted, retry).Await(); err != nil {
		return "", err
	}
	return ctx.InstanceID(), nil
})

// bind gives the activities what they work with.
func bind(client *github.Client, blobs *azblob.Client) []durable.Registrable {
	return []durable.Registrable{
		Workflow,
		getRepositories.With(func(ctx context.Context, organization string) ([]Repository, error) {
			listed, err := client.Repositories(ctx, organization)
			repositories := make([]Repository, len(listed))
			for i, r := range listed {
				repositories[i] = Repository{ID: r.ID, Name: r.Name}
			}
			return repositories, err
		}),
		getOpenIssues.With(func(ctx context.Context, in RepositoryOf) (OpenIssues, error) {
			n, err := client.OpenIssues(ctx, in.Organization, in.Repository.Name)
			return OpenIssues{ID: in.Repository.ID, Name: in.Repository.Name, OpenIssues: n}, err
		}),
		saveAll.With(func(ctx context.Context, all []OpenIssues) (durable.Void, error) {
			return durable.Void{}, save(ctx, blobs, blobName(durable.ActivityInfo(ctx).InstanceID), all)
		}),
	}
}

func blobName(instanceID string) string { return instanceID + ".json" }

// save writes the list. Should it run twice, it writes the same blob again.
func save(ctx context.Context, blobs *azblob.Client, name string, all []OpenIssues) error {
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	if _, err := blobs.CreateContainer(ctx, container, nil); err != nil && !bloberror.HasCode(err, bloberror.ContainerAlreadyExists) {
		return fmt.Errorf("creating the container %s: %w", container, err)
	}
	if _, err := blobs.UploadBuffer(ctx, container, name, text, nil); err != nil {
		return fmt.Errorf("writing the blob %s: %w", name, err)
	}
	return nil
}
