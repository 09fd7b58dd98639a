package githubfake

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client reads from a server that runs for a test.
type client struct {
	t    *testing.T
	base string
	http http.Client
}

func start(t *testing.T, cfg Config) (*client, *Server) {
	t.Helper()
	s := New(cfg)
	base, stop, err := s.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, base: base, http: http.Client{Transport: &http.Transport{}}}
	t.Cleanup(func() {
		c.http.CloseIdleConnections()
		stop()
	})
	return c, s
}

// get reads a URL into v and returns the status and the headers.
func (c *client) get(url string, v any) (int, http.Header) {
	c.t.Helper()
	if strings.HasPrefix(url, "/") {
		url = c.base + url
	}
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if v != nil {
		if err := json.Unmarshal(text, v); err != nil {
			c.t.Fatalf("%s: %v", text, err)
		}
	}
	return res.StatusCode, res.Header
}

var nextLink = regexp.MustCompile(`<([^>]*)>; rel="next"`)

// all follows the links from a URL to the end of a list. It returns the items and the number of pages.
func all[T any](c *client, url string) (items []T, pages int) {
	c.t.Helper()
	for url != "" {
		var page []T
		status, header := c.get(url, &page)
		if status != http.StatusOK {
			c.t.Fatalf("%s: status %d", url, status)
		}
		items = append(items, page...)
		pages++
		url = ""
		if m := nextLink.FindStringSubmatch(header.Get("Link")); m != nil {
			url = m[1]
		}
	}
	return items, pages
}

func TestRepositoriesInPages(t *testing.T) {
	t.Parallel()
	c, _ := start(t, Config{})
	repos, pages := all[Repository](c, "/orgs/Azure-Samples/repos?per_page=100&type=public")
	if len(repos) != 936 || pages != 10 {
		t.Fatalf("%d repositories in %d pages", len(repos), pages)
	}
	ids, names := map[int64]bool{}, map[string]bool{}
	for _, r := range repos {
		ids[r.ID], names[r.Name] = true, true
		if r.FullName != "Azure-Samples/"+r.Name || r.Owner.Login != "Azure-Samples" || r.CreatedAt.After(r.PushedAt) || r.PushedAt.After(epoch) {
			t.Errorf("repository %+v", r)
		}
	}
	if len(ids) != len(repos) || len(names) != len(repos) {
		t.Errorf("%d ids and %d names for %d repositories", len(ids), len(names), len(repos))
	}
	if by30, pages := all[Repository](c, "/orgs/Azure-Samples/repos"); pages != 32 || len(by30) != len(repos) || by30[700].ID != repos[700].ID {
		t.Errorf("by default %d repositories in %d pages", len(by30), pages)
	}
	other, _ := all[Repository](c, "/orgs/other/repos?per_page=100")
	if other[0].Name == repos[0].Name && other[1].Name == repos[1].Name {
		t.Error("two organizations have the same repositories")
	}
}

func TestIssues(t *testing.T) {
	t.Parallel()
	c, _ := start(t, Config{})
	repos, _ := all[Repository](c, "/orgs/acme/repos?per_page=100")
	i := slices.IndexFunc(repos, func(r Repository) bool { return r.OpenIssuesCount > maxPerPage })
	if i < 0 || !slices.ContainsFunc(repos, func(r Repository) bool { return r.OpenIssuesCount == 0 }) {
		t.Fatal("the data lacks repositories with many and with no issues")
	}
	repo := repos[i]
	issues, pages := all[Issue](c, "/repos/acme/"+repo.Name+"/issues?state=open&per_page=100")
	if len(issues) != repo.OpenIssuesCount || pages < 2 {
		t.Fatalf("%d issues in %d pages, the repository says %d", len(issues), pages, repo.OpenIssuesCount)
	}
	pulls := 0
	for i, issue := range issues {
		if issue.PullRequest != nil {
			pulls++
		}
		if issue.State != "open" || issue.ClosedAt != nil || i > 0 && issue.Number >= issues[i-1].Number {
			t.Errorf("issue %+v", issue)
		}
	}
	if pulls == 0 || pulls == len(issues) {
		t.Errorf("%d of %d are pull requests", pulls, len(issues))
	}
	if closed, _ := all[Issue](c, "/repos/acme/"+repo.Name+"/issues?state=closed"); len(closed) != 0 {
		t.Errorf("%d closed ones", len(closed))
	}
	commits, _ := all[Commit](c, "/repos/acme/"+repo.Name+"/commits?per_page=1")
	if len(commits) != 1 || !commits[0].Commit.Committer.Date.Equal(repo.PushedAt) || len(commits[0].SHA) != 40 {
		t.Errorf("commits %+v", commits)
	}
}

func TestSameDataAgain(t *testing.T) {
	t.Parallel()
	a, b := repository("", "acme", 7), repository("", "acme", 7)
	if x, y := mustJSON(t, a), mustJSON(t, b); x != y {
		t.Errorf("%s\n%s", x, y)
	}
	if x, y := mustJSON(t, lastCommit(a)), mustJSON(t, lastCommit(b)); x != y {
		t.Errorf("%s\n%s", x, y)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLinks(t *testing.T) {
	t.Parallel()
	c, _ := start(t, Config{Repositories: 5})
	for query, want := range map[string]string{
		"per_page=2&type=all":        `<B?page=2&per_page=2&type=all>; rel="next", <B?page=3&per_page=2&type=all>; rel="last"`,
		"per_page=2&page=2":          `<B?page=1&per_page=2>; rel="prev", <B?page=3&per_page=2>; rel="next", <B?page=3&per_page=2>; rel="last", <B?page=1&per_page=2>; rel="first"`,
		"per_page=2&page=3":          `<B?page=2&per_page=2>; rel="prev", <B?page=1&per_page=2>; rel="first"`,
		"per_page=5":                 ``,
		"per_page=x&page=-1":         ``,
		"per_page=500&page=99999999": `<B?page=1&per_page=500>; rel="prev", <B?page=1&per_page=500>; rel="first"`,
	} {
		_, header := c.get("/orgs/acme/repos?"+query, nil)
		if got := strings.ReplaceAll(header.Get("Link"), c.base+"/orgs/acme/repos", "B"); got != want {
			t.Errorf("%s:\n got %s\nwant %s", query, got, want)
		}
	}
}

func TestNotFound(t *testing.T) {
	t.Parallel()
	c, _ := start(t, Config{Organizations: []string{"acme"}, Repositories: 3})
	name := repository("", "acme", 1).Name
	if status, _ := c.get("/repos/ACME/"+name+"/issues", nil); status != http.StatusOK {
		t.Errorf("names are not case-sensitive on GitHub: %d", status)
	}
	for _, path := range []string{"/orgs/other/repos", "/repos/acme/none/issues", "/repos/acme/x-0001/commits", "/repos/acme/x-9999/issues", "/repos/other/" + name + "/issues", "/nowhere"} {
		var body struct{ Message string }
		if status, _ := c.get(path, &body); status != http.StatusNotFound || body.Message != "Not Found" {
			t.Errorf("%s: %d %+v", path, status, body)
		}
	}
}

// clock is a clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	clock := &clock{now: epoch.Add(time.Millisecond)}
	c, s := start(t, Config{Limit: 2, Now: clock.Now})
	ask := func() (status int, remaining, reset string) {
		status, h := c.get("/orgs/acme/repos?per_page=1", nil)
		return status, h.Get("X-RateLimit-Remaining"), h.Get("X-RateLimit-Reset")
	}
	reset := strconv.FormatInt(epoch.Add(time.Hour).Unix()+1, 10)
	for _, want := range []struct {
		status    int
		remaining string
	}{{200, "1"}, {200, "0"}, {403, "0"}} {
		if status, remaining, at := ask(); status != want.status || remaining != want.remaining || at != reset {
			t.Errorf("got %d, %s left, reset at %s; want %+v, %s", status, remaining, at, want, reset)
		}
		clock.add(time.Minute)
	}
	var limit struct {
		Rate struct{ Limit, Used, Remaining, Reset int64 }
	}
	if status, _ := c.get("/rate_limit", &limit); status != http.StatusOK || limit.Rate.Used != 2 || limit.Rate.Limit != 2 || limit.Rate.Remaining != 0 {
		t.Errorf("/rate_limit: %d %+v", status, limit)
	}
	if used, refused := s.Requests(); used != 2 || refused != 1 {
		t.Errorf("%d used, %d refused", used, refused)
	}
	clock.add(time.Hour)
	if status, remaining, _ := ask(); status != http.StatusOK || remaining != "1" {
		t.Errorf("in the next window: %d, %s left", status, remaining)
	}
}
