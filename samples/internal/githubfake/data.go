package githubfake

import (
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"strings"
	"time"
)

// Owner is an account: an organization or a user.
type Owner struct {
	Login     string `json:"login"`
	ID        int64  `json:"id"`
	NodeID    string `json:"node_id"`
	URL       string `json:"url"`
	HTMLURL   string `json:"html_url"`
	Type      string `json:"type"`
	SiteAdmin bool   `json:"site_admin"`
}

// Repository is a repository as lists show it.
type Repository struct {
	ID              int64     `json:"id"`
	NodeID          string    `json:"node_id"`
	Name            string    `json:"name"`
	FullName        string    `json:"full_name"`
	Private         bool      `json:"private"`
	Owner           Owner     `json:"owner"`
	HTMLURL         string    `json:"html_url"`
	Description     *string   `json:"description"`
	Fork            bool      `json:"fork"`
	URL             string    `json:"url"`
	CreatedAt       time.Time `json:"created_at"`
	UpdatedAt       time.Time `json:"updated_at"`
	PushedAt        time.Time `json:"pushed_at"`
	StargazersCount int       `json:"stargazers_count"`
	Language        *string   `json:"language"`
	Archived        bool      `json:"archived"`
	Disabled        bool      `json:"disabled"`
	OpenIssuesCount int       `json:"open_issues_count"` // issues and pull requests
	Topics          []string  `json:"topics"`
	Visibility      string    `json:"visibility"`
	DefaultBranch   string    `json:"default_branch"`
}

// Issue is an issue, or a pull request when PullRequest is set: the list of issues has both.
type Issue struct {
	ID          int64        `json:"id"`
	NodeID      string       `json:"node_id"`
	URL         string       `json:"url"`
	HTMLURL     string       `json:"html_url"`
	Number      int          `json:"number"`
	Title       string       `json:"title"`
	User        Owner        `json:"user"`
	Labels      []Label      `json:"labels"`
	State       string       `json:"state"`
	Comments    int          `json:"comments"`
	CreatedAt   time.Time    `json:"created_at"`
	UpdatedAt   time.Time    `json:"updated_at"`
	ClosedAt    *time.Time   `json:"closed_at"`
	Body        string       `json:"body"`
	PullRequest *PullRequest `json:"pull_request,omitempty"`
}

// Label is a label of an issue.
type Label struct {
	Name  string `json:"name"`
	Color string `json:"color"`
}

// PullRequest marks an issue that is a pull request.
type PullRequest struct {
	URL string `json:"url"`
}

// Commit is a commit as lists show it.
type Commit struct {
	SHA    string       `json:"sha"`
	URL    string       `json:"url"`
	Commit CommitDetail `json:"commit"`
}

// CommitDetail is what Git itself knows of a commit.
type CommitDetail struct {
	Author    Signature `json:"author"`
	Committer Signature `json:"committer"`
	Message   string    `json:"message"`
}

// Signature says who did something, and when.
type Signature struct {
	Name  string    `json:"name"`
	Email string    `json:"email"`
	Date  time.Time `json:"date"`
}

var (
	subjects  = []string{"functions", "storage", "cosmosdb", "iot-hub", "service-bus", "event-grid", "cognitive", "media", "active-directory", "app-service"}
	kinds     = []string{"quickstart", "sample", "tutorial", "starter", "demo", "lab", "client"}
	platforms = []string{"dotnet", "node", "java", "python", "go", "android", "ios"}
	languages = []string{"C#", "JavaScript", "Java", "Python", "Go", "Kotlin", "Swift"}
	people    = []string{"ada", "barbara", "edsger", "grace", "ken", "margaret", "niklaus"}
	troubles  = []string{"Build fails", "README is out of date", "Timeout", "Update the SDK", "Crash", "Add a sample"}
	places    = []string{"on Linux", "behind a proxy", "with the latest release", "in the first step", "when the queue is empty", "after sign-in"}
	labels    = []Label{{"bug", "d73a4a"}, {"enhancement", "a2eeef"}, {"question", "d876e3"}, {"documentation", "0075ca"}}
)

// epoch is the time around which everything in the data happened.
var epoch = time.Date(2026, time.June, 1, 8, 0, 0, 0, time.UTC)

// random returns a source of numbers that depends on the parts of a name alone, not on their case.
func random(parts ...any) *rand.Rand {
	h := fnv.New64a()
	_, _ = io.WriteString(h, strings.ToLower(fmt.Sprintln(parts...)))
	return rand.New(rand.NewPCG(h.Sum64(), uint64(len(parts))))
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func owner(base, login, kind string) Owner {
	r := random("owner", login)
	id := 1_000_000 + r.Int64N(9_000_000)
	return Owner{Login: login, ID: id, NodeID: fmt.Sprintf("MDQ6%08x", id), URL: base + "/users/" + login, HTMLURL: base + "/" + login, Type: kind}
}

// repository makes the repository with the given number, from 0, of an organization.
func repository(base, org string, number int) Repository {
	r := random("repository", org, number)
	platform := r.IntN(len(platforms))
	name := fmt.Sprintf("%s-%s-%s-%04d", pick(r, subjects), platforms[platform], pick(r, kinds), number)
	id := 10_000_000 + int64(number)*7919 + random("organization", org).Int64N(1_000_000)
	created := epoch.AddDate(0, 0, -400-r.IntN(2500)).Add(time.Duration(r.IntN(86400)) * time.Second)
	pushed := created.Add(time.Duration(r.Int64N(int64(epoch.Sub(created)/time.Second))) * time.Second)
	repo := Repository{
		ID: id, NodeID: fmt.Sprintf("R_kgDO%08x", id), Name: name, FullName: org + "/" + name, Owner: owner(base, org, "Organization"),
		HTMLURL: base + "/" + org + "/" + name, Fork: r.IntN(12) == 0, URL: base + "/repos/" + org + "/" + name, CreatedAt: created, UpdatedAt: pushed, PushedAt: pushed,
		StargazersCount: r.IntN(1 << r.IntN(12)), Archived: r.IntN(15) == 0, OpenIssuesCount: issueCount(r), Topics: []string{platforms[platform]},
		Visibility: "public", DefaultBranch: "main",
	}
	if r.IntN(8) > 0 {
		text := "A " + platforms[platform] + " " + pick(r, kinds)
		repo.Description, repo.Language = &text, &languages[platform]
	}
	return repo
}

// issueCount gives most repositories few open issues, and a few of them several pages.
func issueCount(r *rand.Rand) int {
	switch n := r.IntN(100); {
	case n < 35:
		return 0
	case n < 90:
		return 1 + r.IntN(12)
	case n < 98:
		return 13 + r.IntN(60)
	}
	return 101 + r.IntN(160)
}

// issue makes the open issue with the given place, from 0 and newest first, of a repository.
func issue(base string, repo Repository, place int) Issue {
	number := 3 * (repo.OpenIssuesCount - place) // the numbers between belong to closed ones
	r := random("issue", repo.FullName, number)
	created := repo.PushedAt.Add(-time.Duration(place) * 11 * time.Hour)
	url := fmt.Sprintf("%s/issues/%d", repo.URL, number)
	made := Issue{
		ID: repo.ID*1000 + int64(number), NodeID: fmt.Sprintf("I_kwDO%x", repo.ID*1000+int64(number)), URL: url, HTMLURL: fmt.Sprintf("%s/issues/%d", repo.HTMLURL, number),
		Number: number, Title: pick(r, troubles) + " " + pick(r, places), User: owner(base, pick(r, people), "User"), Labels: []Label{pick(r, labels)}, State: "open",
		Comments: r.IntN(9), CreatedAt: created, UpdatedAt: created.Add(time.Hour), Body: "Steps to reproduce: follow the README.",
	}
	if r.IntN(10) == 0 {
		made.PullRequest = &PullRequest{URL: fmt.Sprintf("%s/pulls/%d", repo.URL, number)}
	}
	return made
}

// lastCommit makes the newest commit of a repository.
func lastCommit(repo Repository) Commit {
	r := random("commit", repo.FullName)
	name := pick(r, people)
	by := Signature{Name: name, Email: name + "@example.org", Date: repo.PushedAt}
	sha := fmt.Sprintf("%016x%016x%08x", r.Uint64(), r.Uint64(), r.Uint32())
	return Commit{SHA: sha, URL: repo.URL + "/commits/" + sha, Commit: CommitDetail{Author: by, Committer: by, Message: "Update the SDK"}}
}
