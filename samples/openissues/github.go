package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

// github reads from GitHub's REST API, or from a server that answers like it.
type github struct {
	baseURL string
	token   string // "" for none
	http    *http.Client
}

// Repository is a repository of an organization.
type Repository struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// repositories lists all repositories of an organization.
func (g *github) repositories(ctx context.Context, organization string) ([]Repository, error) {
	return list[Repository](ctx, g, "/orgs/"+url.PathEscape(organization)+"/repos?per_page=100")
}

// openIssues counts the open issues of a repository. GitHub lists pull requests among them; those do not count.
func (g *github) openIssues(ctx context.Context, organization, repository string) (int, error) {
	type issue struct {
		PullRequest *json.RawMessage `json:"pull_request"`
	}
	issues, err := list[issue](ctx, g, "/repos/"+url.PathEscape(organization)+"/"+url.PathEscape(repository)+"/issues?state=open&per_page=100")
	n := 0
	for _, i := range issues {
		if i.PullRequest == nil {
			n++
		}
	}
	return n, err
}

var nextPage = regexp.MustCompile(`<([^>]+)>;\s*rel="next"`)

// list reads all pages of a list.
func list[T any](ctx context.Context, g *github, path string) ([]T, error) {
	var all []T
	for next := g.baseURL + path; next != ""; {
		var page []T
		links, err := g.get(ctx, next, &page)
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
func (g *github) get(ctx context.Context, address string, page any) (links string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Accept", "application/vnd.github+json")
	if g.token != "" {
		req.Header.Set("Authorization", "Bearer "+g.token)
	}
	res, err := g.http.Do(req)
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

// refusal makes an error of an answer. What another try cannot help is permanent: the call is not made again.
func refusal(res *http.Response, body []byte) error {
	var answer struct {
		Message string `json:"message"`
	}
	_ = json.Unmarshal(body, &answer) // without a message the status has to do
	err := fmt.Errorf("%s: %s %s", res.Request.URL.Path, res.Status, answer.Message)
	switch {
	case res.Header.Get("X-RateLimit-Remaining") == "0":
		if seconds, bad := strconv.ParseInt(res.Header.Get("X-RateLimit-Reset"), 10, 64); bad == nil {
			err = fmt.Errorf("%w; the limit is lifted at %s", err, time.Unix(seconds, 0).UTC().Format(time.RFC3339))
		}
		return durable.Permanent(err)
	case res.StatusCode < http.StatusInternalServerError && res.StatusCode != http.StatusTooManyRequests:
		return durable.Permanent(err)
	}
	return err
}
