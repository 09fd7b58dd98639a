// Package github reads from GitHub's REST API: an organization's repositories, their open issues and their last commits. The samples that need a
// GitHub share it.
package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/samples/internal/githubfake"
)

// Client reads from GitHub's REST API, or from a server that answers like it. Make one with Open.
type Client struct {
	address string
	token   string // "" for none
	http    *http.Client
}

// Repository is a repository of an organization.
type Repository struct {
	ID       int64  `json:"id"`
	Name     string `json:"name"`
	URL      string `json:"html_url"`
	Language string `json:"language"` // "" when GitHub does not know
}

// Open returns a client of the API at an address. Without an address it starts a server in this process that answers like GitHub, with made-up
// data. The caller calls stop in the end.
func Open(ctx context.Context, address, token string) (client *Client, stop func(), err error) {
	const requestTime = 30 * time.Second
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 100}
	stop = transport.CloseIdleConnections
	if address == "" {
		var stopServer func()
		if address, stopServer, err = githubfake.New(githubfake.Config{}).Listen(ctx); err != nil {
			return nil, nil, err
		}
		token = "" // it is for GitHub alone
		stop = func() {
			transport.CloseIdleConnections()
			stopServer()
		}
	}
	return &Client{address: address, token: token, http: &http.Client{Transport: transport, Timeout: requestTime}}, stop, nil
}

// Repositories lists all repositories of an organization.
func (c *Client) Repositories(ctx context.Context, organization string) ([]Repository, error) {
	return list[Repository](ctx, c, "/orgs/"+url.PathEscape(organization)+"/repos?per_page=100")
}

// OpenIssues counts the open issues of a repository. GitHub lists pull requests among them; those do not count.
func (c *Client) OpenIssues(ctx context.Context, organization, repository string) (int, error) {
	type issue struct {
		PullRequest *json.RawMessage `json:"pull_request"`
	}
	issues, err := list[issue](ctx, c, repositoryPath(organization, repository)+"/issues?state=open&per_page=100")
	n := 0
	for _, i := range issues {
		if i.PullRequest == nil {
			n++
		}
	}
	return n, err
}

// LastCommit returns when the last commit of a repository was made; the zero time for a repository without any.
func (c *Client) LastCommit(ctx context.Context, organization, repository string) (time.Time, error) {
	var commits []struct {
		Commit struct {
			Committer struct {
				Date time.Time `json:"date"`
			} `json:"committer"`
		} `json:"commit"`
	}
	_, err := c.get(ctx, c.address+repositoryPath(organization, repository)+"/commits?per_page=1", &commits)
	var refused *StatusError
	switch {
	case errors.As(err, &refused) && refused.Status == http.StatusConflict: // what GitHub says of an empty repository
		return time.Time{}, nil
	case err != nil || len(commits) == 0:
		return time.Time{}, err
	}
	return commits[0].Commit.Committer.Date, nil
}

func repositoryPath(organization, repository string) string {
	return "/repos/" + url.PathEscape(organization) + "/" + url.PathEscape(repository)
}

var nextPage = regexp.MustCompile(`<([^>]+)>;\s*rel="next"`)

// list reads all pages of a list.
func list[T any](ctx context.Context, c *Client, path string) ([]T, error) {
	var all []T
	for next := c.address + path; next != ""; {
		var page []T
		links, err := c.get(ctx, next, &page)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		next = ""
		if match := nextPage.FindStringSubmatch(links); match != nil {
			next = match[1]
		}
	}
	return all, nil
}

// get reads one page and returns its Link header.
func (c *Client) get(ctx context.Context, address string, page any) (links string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Accept", "application/vnd.github+json")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusOK {
		return "", refusal(res, body)
	}
	if err := json.Unmarshal(body, page); err != nil {
		return "", fmt.Errorf("%s: %w", address, err)
	}
	return res.Header.Get("Link"), nil
}

// StatusError says that GitHub refused a request.
type StatusError struct {
	// Status is the status code.
	Status int
	text   string
}

// Error tells the path, the status, GitHub's own words, and when a limit that is used up is lifted.
func (e *StatusError) Error() string { return e.text }

// refusal makes an error of an answer. What another try cannot help is permanent: the call is not made again.
func refusal(res *http.Response, body []byte) error {
	var answer struct {
		Message string `json:"message"`
	}
	_ = json.Unmarshal(body, &answer) // without a message the status has to do
	refused := &StatusError{res.StatusCode, fmt.Sprintf("%s: %s %s", res.Request.URL.Path, res.Status, answer.Message)}
	switch {
	case res.Header.Get("X-RateLimit-Remaining") == "0":
		if seconds, err := strconv.ParseInt(res.Header.Get("X-RateLimit-Reset"), 10, 64); err == nil {
			refused.text += "; the limit is lifted at " + time.Unix(seconds, 0).UTC().Format(time.RFC3339)
		}
		return durable.Permanent(refused)
	case res.StatusCode < http.StatusInternalServerError && res.StatusCode != http.StatusTooManyRequests:
		return durable.Permanent(refused)
	}
	return refused
}
