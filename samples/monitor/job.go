package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

// bind gives the activities what they work with.
func bind(client *http.Client, alerts io.Writer) []durable.Registrable {
	return []durable.Registrable{
		Monitor,
		getJobStatus.With(func(ctx context.Context, url string) (Job, error) { return ask(ctx, client, url) }),
		sendAlert.With(func(_ context.Context, r Report) (durable.Void, error) {
			text := "The job has ended: " + r.State
			if !r.InTime {
				text = fmt.Sprintf("The time is up, and the job is at %d %%", r.Progress)
			}
			_, err := fmt.Fprintln(alerts, text)
			return durable.Void{}, err
		}),
	}
}

// ask asks for the state of a job.
func ask(ctx context.Context, client *http.Client, url string) (job Job, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return Job{}, durable.Permanent(err)
	}
	res, err := client.Do(req)
	if err != nil {
		return Job{}, err
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusNotFound:
		return Job{}, durable.Permanent(fmt.Errorf("%s: there is no such job", url))
	case res.StatusCode != http.StatusOK:
		return Job{}, fmt.Errorf("%s: %s", url, res.Status)
	}
	if err := json.NewDecoder(res.Body).Decode(&job); err != nil {
		return Job{}, fmt.Errorf("%s: %w", url, err)
	}
	return job, nil
}

// startJob serves the state of a job, which has got a little further with every look, on a free port of 127.0.0.1. It returns the address and what
// ends the server.
func startJob(ctx context.Context, looks int64) (url string, stop func(), err error) {
	const headTime = 10 * time.Second
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	var seen atomic.Int64
	server := &http.Server{ReadHeaderTimeout: headTime, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := min(seen.Add(1), looks)
		job := Job{State: "running", Progress: int(100 * n / looks)}
		if n == looks {
			job.State = "done"
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(job)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // ends with Close
	}()
	return "http://" + listener.Addr().String(), func() {
		_ = server.Close()
		<-done
	}, nil
}
