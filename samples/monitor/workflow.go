package main

import (
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

// Watch is the input of a monitor: what it watches, and, from one look to the next, what it remembers.
type Watch struct {
	URL          string    `json:"url"`          // where the job tells its state
	PauseSeconds int       `json:"pauseSeconds"` // between two looks
	Deadline     time.Time `json:"deadline"`     // when the monitor gives up
	Looks        int       `json:"looks"`        // so far
}

// Job is the state of a job.
type Job struct {
	State    string `json:"state"`    // "running", "done" or "failed"
	Progress int    `json:"progress"` // in percent
}

// Report is the custom status of a monitor while it watches, and its output.
type Report struct {
	Job
	Looks  int  `json:"looks"`
	InTime bool `json:"inTime"` // the job has ended before the deadline
}

// The activities by their names. What they do needs a network and a console, so main binds it.
var (
	getJobStatus = durable.DeclareActivity[string, Job]("GetJobStatus")
	sendAlert    = durable.DeclareActivity[Report, durable.Void]("SendAlert")
)

// retry outlasts short troubles of the network.
var retry = durable.WithRetry(durable.RetryPolicy{MaxAttempts: 3, FirstInterval: time.Second, BackoffCoefficient: 2})

// Monitor looks at a job until it has ended or the deadline has come, and then tells somebody. After each look it begins anew: however long it
// watches, its history is that of one look.
var Monitor = durable.NewOrchestrator("Monitor", func(ctx *durable.Context, watch Watch) (Report, error) {
	job, err := getJobStatus.Call(ctx, watch.URL, retry).Await()
	if err != nil {
		return Report{}, err
	}
	watch.Looks++
	report := Report{Job: job, Looks: watch.Looks, InTime: job.State != "running"}
	next := ctx.Now().Add(time.Duration(watch.PauseSeconds) * time.Second)
	if !report.InTime && next.Before(watch.Deadline) {
		if err := durable.SetCustomStatus(ctx, report); err != nil {
			return Report{}, err
		}
		if err := durable.SleepUntil(ctx, next); err != nil {
			return Report{}, err
		}
		return Report{}, durable.ContinueAsNew(ctx, watch)
	}
	if _, err := sendAlert.Call(ctx, report, retry).Await(); err != nil {
		return Report{}, err
	}
	return report, durable.SetCustomStatus(ctx, report)
})
