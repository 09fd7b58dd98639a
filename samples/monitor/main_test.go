package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/durabletest"
	"github.com/go-taskhub/taskhub/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestProgram(t *testing.T) {
	t.Parallel()
	looks := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		job := Job{"running", 50}
		if looks++; looks == 2 {
			job = Job{"done", 100}
		}
		_ = json.NewEncoder(w).Encode(job)
	}))
	defer server.Close()
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--conn", testkit.Conn(t), "--hub", testkit.Hub(t), "--url", server.URL}, &out); err != nil {
		t.Fatal(err)
	}
	if want := "The job has ended: done\n" + `{"state":"done","progress":100,"looks":2,"inTime":true}` + "\n"; out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}

func TestNoSuchJob(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	err := run(t.Context(), []string{"--conn", testkit.Conn(t), "--hub", testkit.Hub(t), "--url", server.URL}, &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "there is no such job") {
		t.Errorf("got %v", err)
	}
}

func TestBadArguments(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--nope"}, {"stray"}, {"--pause", "0s"}, {"--pause", "1500ms"}, {"--conn", ""}, {"--hub", "a/b"},
	} {
		if err := run(t.Context(), args, &bytes.Buffer{}); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

func TestOwnJob(t *testing.T) {
	t.Parallel()
	url, stop, err := startJob(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for _, want := range []Job{{"running", 50}, {"done", 100}, {"done", 100}} {
		if got, err := ask(t.Context(), client, url); got != want {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
}

// TestMonitor lets a week of virtual time pass.
func TestMonitor(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end   string
		looks int // until the job has ended
		want  Report
		took  time.Duration
	}{
		"ended at once":  {"done", 1, Report{Job{"done", 1}, 1, true}, 0},
		"ended on day 3": {"failed", 73, Report{Job{"failed", 73}, 73, true}, 72 * time.Hour},
		"time is up":     {"done", 1000, Report{Job{"running", 168}, 168, false}, 167 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := durabletest.New(t)
			looks := 0
			durabletest.Mock(env, getJobStatus, func(context.Context, string) (Job, error) {
				if looks++; looks >= tt.looks {
					return Job{tt.end, looks}, nil
				}
				return Job{"running", looks}, nil
			})
			durabletest.Mock(env, sendAlert, func(context.Context, Report) (durable.Void, error) { return durable.Void{}, nil })
			got := durabletest.Run(env, Monitor, Watch{URL: "job", PauseSeconds: 3600, Deadline: env.Now().Add(7 * 24 * time.Hour)})
			if got.Err != nil || got.Output != tt.want || got.Elapsed != tt.took {
				t.Errorf("%+v after %v, %v", got.Output, got.Elapsed, got.Err)
			}
			durabletest.AssertCalledWith(env, sendAlert, tt.want)
			if n := bytes.Count(got.History, []byte("TaskScheduled")); n > 2*2 {
				t.Errorf("the history has %d calls", n)
			}
		})
	}
}

func TestTroubleIsOutlasted(t *testing.T) {
	t.Parallel()
	env := durabletest.New(t)
	durabletest.Mock(env, getJobStatus, func(context.Context, string) (Job, error) { return Job{"done", 100}, nil }).FailTimes(2, errors.New("no route"))
	durabletest.Mock(env, sendAlert, func(context.Context, Report) (durable.Void, error) { return durable.Void{}, nil })
	if got := durabletest.Run(env, Monitor, Watch{PauseSeconds: 1}); got.Output.State != "done" || got.Elapsed != 3*time.Second {
		t.Errorf("%+v after %v, %v", got.Output, got.Elapsed, got.Err)
	}
}
