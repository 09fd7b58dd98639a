// Package githubfake answers like GitHub's REST API, on this machine and with made-up data: an organization's repositories page by page, each one's
// open issues and last commit, Link headers, and the hourly rate limit. The same configuration always gives the same data. The samples that read
// from GitHub use it when they are given no token.
package githubfake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Config configures a Server.
type Config struct {
	// Repositories is how many repositories each organization has. Defaults to 936.
	Repositories int
	// Organizations are the organizations that exist. Defaults to none named: every name is one.
	Organizations []string
	// Limit is how many requests are answered in a Window before the server refuses. Defaults to 5000, as GitHub allows with a token.
	Limit int
	// Window is how long a limit lasts, from its first request on. Defaults to one hour.
	Window time.Duration
	// Now is the clock of the limit. Defaults to time.Now.
	Now func() time.Time
}

const (
	defaultRepositories = 936
	defaultLimit        = 5000
	defaultPerPage      = 30
	maxPerPage          = 100
	documentation       = "https://docs.github.com/rest"
)

// Server is the API as an http.Handler. It is safe for concurrent use.
type Server struct {
	cfg Config
	mux *http.ServeMux

	mu      sync.Mutex
	used    int
	resets  time.Time // end of the window; zero before its first request
	refused int
}

// New makes a server. It has nothing to close.
func New(cfg Config) *Server {
	if cfg.Repositories <= 0 {
		cfg.Repositories = defaultRepositories
	}
	if cfg.Limit <= 0 {
		cfg.Limit = defaultLimit
	}
	if cfg.Window <= 0 {
		cfg.Window = time.Hour
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Server{cfg: cfg, mux: http.NewServeMux()}
	s.mux.HandleFunc("GET /orgs/{org}/repos", s.repositories)
	s.mux.HandleFunc("GET /repos/{org}/{repo}/issues", s.issues)
	s.mux.HandleFunc("GET /repos/{org}/{repo}/commits", s.commits)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { notFound(w) })
	return s
}

// ServeHTTP answers a request, or refuses it with 403 when the limit is used up. GET /rate_limit is free, as on GitHub.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/rate_limit" {
		s.rateLimit(w)
		return
	}
	if !s.take(w.Header()) {
		fail(w, http.StatusForbidden, "API rate limit exceeded. (But here's the good news: Authenticated requests get a higher rate limit.)")
		return
	}
	s.mux.ServeHTTP(w, r)
}

// Requests returns how many requests were counted against the limit since the start of its window, and how many were refused since the start.
func (s *Server) Requests() (used, refused int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used, s.refused
}

// take counts a request and writes the limit's headers. It returns false when nothing is left.
func (s *Server) take(h http.Header) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roll()
	ok := s.used < s.cfg.Limit
	if ok {
		s.used++
	} else {
		s.refused++
	}
	h.Set("X-RateLimit-Limit", strconv.Itoa(s.cfg.Limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(s.cfg.Limit-s.used))
	h.Set("X-RateLimit-Used", strconv.Itoa(s.used))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(s.resetTime(), 10))
	h.Set("X-RateLimit-Resource", "core")
	return ok
}

// roll starts a new window when the last one is over. s.mu is held.
func (s *Server) roll() {
	if now := s.cfg.Now(); !now.Before(s.resets) {
		s.used, s.resets = 0, now.Add(s.cfg.Window)
	}
}

// resetTime returns the end of the window in seconds since 1970, rounded up, so that a client which waits for it has waited long enough.
func (s *Server) resetTime() int64 { return s.resets.Add(time.Second - 1).Unix() }

func (s *Server) rateLimit(w http.ResponseWriter) {
	s.mu.Lock()
	s.roll()
	core := map[string]int64{"limit": int64(s.cfg.Limit), "used": int64(s.used), "remaining": int64(s.cfg.Limit - s.used), "reset": s.resetTime()}
	s.mu.Unlock()
	write(w, http.StatusOK, map[string]any{"resources": map[string]any{"core": core}, "rate": core})
}

func (s *Server) repositories(w http.ResponseWriter, r *http.Request) {
	org := r.PathValue("org")
	if !s.exists(org) {
		notFound(w)
		return
	}
	page(w, r, s.cfg.Repositories, func(i int) Repository { return repository(baseURL(r), org, i) })
}

func (s *Server) issues(w http.ResponseWriter, r *http.Request) {
	repo, ok := s.repository(r)
	if !ok {
		notFound(w)
		return
	}
	n := repo.OpenIssuesCount
	if state := r.URL.Query().Get("state"); state == "closed" {
		n = 0
	}
	page(w, r, n, func(i int) Issue { return issue(baseURL(r), repo, i) })
}

func (s *Server) commits(w http.ResponseWriter, r *http.Request) {
	repo, ok := s.repository(r)
	if !ok {
		notFound(w)
		return
	}
	page(w, r, 1, func(int) Commit { return lastCommit(repo) })
}

func (s *Server) exists(org string) bool {
	return len(s.cfg.Organizations) == 0 || slices.ContainsFunc(s.cfg.Organizations, func(o string) bool { return strings.EqualFold(o, org) })
}

// repository finds the repository of a request's path. Its name ends in its number.
func (s *Server) repository(r *http.Request) (Repository, bool) {
	org, name := r.PathValue("org"), r.PathValue("repo")
	number, err := strconv.Atoi(name[strings.LastIndexByte(name, '-')+1:])
	if err != nil || number < 0 || number >= s.cfg.Repositories || !s.exists(org) {
		return Repository{}, false
	}
	repo := repository(baseURL(r), org, number)
	return repo, strings.EqualFold(repo.Name, name)
}

func baseURL(r *http.Request) string { return "http://" + r.Host }

// page writes one page of a list of n items, and the links to the others.
func page[T any](w http.ResponseWriter, r *http.Request, n int, item func(i int) T) {
	perPage := min(number(r, "per_page", defaultPerPage), maxPerPage)
	current := number(r, "page", 1)
	last := max((n+perPage-1)/perPage, 1)
	items := []T{}
	if current <= last {
		for i := (current - 1) * perPage; i < min(current*perPage, n); i++ {
			items = append(items, item(i))
		}
	}
	if links := links(r, current, last); links != "" {
		w.Header().Set("Link", links)
	}
	write(w, http.StatusOK, items)
}

// number reads a positive number from the query; what is none counts as not given.
func number(r *http.Request, name string, otherwise int) int {
	if n, err := strconv.Atoi(r.URL.Query().Get(name)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// links builds the Link header: prev and first but for the first page, next and last but for the last one.
func links(r *http.Request, current, last int) string {
	var out []string
	add := func(page int, rel string) {
		query := r.URL.Query()
		query.Set("page", strconv.Itoa(page))
		out = append(out, fmt.Sprintf("<%s%s?%s>; rel=%q", baseURL(r), r.URL.Path, query.Encode(), rel))
	}
	if current > 1 {
		add(min(current-1, last), "prev")
	}
	if current < last {
		add(current+1, "next")
		add(last, "last")
	}
	if current > 1 {
		add(1, "first")
	}
	return strings.Join(out, ", ")
}

func notFound(w http.ResponseWriter) { fail(w, http.StatusNotFound, "Not Found") }

func fail(w http.ResponseWriter, status int, message string) {
	write(w, status, map[string]string{"message": message, "documentation_url": documentation, "status": strconv.Itoa(status)})
}

func write[T any](w http.ResponseWriter, status int, v T) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-GitHub-Media-Type", "github.v3; format=json")
	w.WriteHeader(status)
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	_ = out.Encode(v) // a client that went away is no error of ours
}
