package worker

import (
	"fmt"
	"time"

	"github.com/go-taskhub/taskhub/activities"
	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/partition"
)

// Health is a snapshot of a worker. Times are UTC and zero when the thing has not happened.
type Health struct {
	// Healthy says that nothing keeps the worker from working. What is parked for lack of code does not: other workers
	// may host it, and a restart would not help.
	Healthy bool `json:"healthy"`
	// Reasons say what is wrong and what to do, when Healthy is false.
	Reasons []string `json:"reasons,omitempty"`

	Worker  string    `json:"worker"`
	Hub     string    `json:"hub"`
	Version string    `json:"version,omitempty"`
	Time    time.Time `json:"time"`
	// Running says that the worker was started and not stopped.
	Running bool `json:"running"`
	// App is the state of the hub's app lease: disabled, waiting or held. AppReason says why it waits.
	App       string `json:"app,omitempty"`
	AppReason string `json:"appReason,omitempty"`

	// Partitions are all partitions of the hub, as this worker sees them.
	Partitions []PartitionHealth `json:"partitions"`
	// Orchestrations are the episodes that run at this moment.
	Orchestrations UsageHealth `json:"orchestrations"`
	// Activities are the activities that run at this moment.
	Activities ActivityHealth `json:"activities"`
	// Parked is work that waits because this worker cannot do it.
	Parked []Parked `json:"parked,omitempty"`
	// Limits are the limits of the activities that are registered here.
	Limits []LimitHealth `json:"limits,omitempty"`
}

// PartitionHealth is one partition.
type PartitionHealth struct {
	Partition int    `json:"partition"`
	Queue     string `json:"queue"`
	// State is unknown, free, elsewhere, waiting, held or handingOver; the last two are this worker's.
	State string `json:"state"`
	// Owner is the worker that has the partition; empty when nobody is known.
	Owner  string `json:"owner,omitempty"`
	Reason string `json:"reason,omitempty"` // more about the state
	// Failure says why this worker lost the partition the last time, as when its queue could not be read; empty when that has not
	// happened in the last ten minutes. A partition that another worker asked for was not lost.
	Failure string `json:"failure,omitempty"`
	// FailedAt is when that was.
	FailedAt time.Time `json:"failedAt,omitzero"`
	// Failures is how often that has happened in the last ten minutes.
	Failures int `json:"failures,omitempty"`

	// The rest is known of this worker's own partitions only.

	// LeaseUntil is when the lease ends unless it is renewed.
	LeaseUntil time.Time `json:"leaseUntil,omitzero"`
	// LastReceive is when the control queue last answered.
	LastReceive time.Time `json:"lastReceive,omitzero"`
	// OldestWaiting is when the oldest message was put that has been received and not yet looked at.
	OldestWaiting time.Time `json:"oldestWaiting,omitzero"`
	// Waiting is the number of such messages.
	Waiting int `json:"waiting,omitempty"`
	// Sessions is the number of instances in memory.
	Sessions int `json:"sessions,omitempty"`
	// Commits counts the episodes since the partition was acquired.
	Commits int64 `json:"commits,omitempty"`
}

// UsageHealth is how much of a limit is in use.
type UsageHealth struct {
	Running int `json:"running"`
	Limit   int `json:"limit"`
}

// ActivityHealth is the part of a worker that runs activities.
type ActivityHealth struct {
	UsageHealth
	// Waiting is how many wait in this process for one that runs to end.
	Waiting int `json:"waiting"`
	// Abandoned is how many go on although their attempts have ended, because they do not heed their contexts.
	Abandoned int `json:"abandoned"`
	// LastReceive is when the work-item queue last answered; zero for a worker without activities.
	LastReceive time.Time `json:"lastReceive,omitzero"`
}

// Parked is work that waits because this worker cannot do it.
type Parked struct {
	// Kind is "orchestrator", "activity", or "message" for one that cannot be understood.
	Kind    string `json:"kind"`
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"` // of the instance
	// Reason says why, and what to do.
	Reason string `json:"reason"`
	// Partitions are those in which instances of the orchestrator were seen.
	Partitions []int `json:"partitions,omitempty"`
	// Messages is the number of work items.
	Messages int `json:"messages,omitempty"`
	// Since is when the oldest work item was put, or an instance of the orchestrator was first seen.
	Since time.Time `json:"since,omitzero"`
	// Seen is when such work was last met.
	Seen time.Time `json:"seen,omitzero"`
}

// Health tells how the worker is doing. It makes no storage call and is cheap: everything in it is known anyway.
func (w *Worker) Health() Health {
	h := Health{Worker: w.cfg.ID, Hub: w.hub.Name(), Version: w.cfg.Version, Time: time.Now().UTC()}
	w.mu.Lock()
	p, used := w.running, w.used
	w.mu.Unlock()
	switch {
	case p != nil:
		h.Running = true
		p.describe(&h)
	case used:
		h.Reasons = []string{"the worker was stopped"}
	default:
		h.Reasons = []string{"the worker was not started"}
	}
	h.Healthy = len(h.Reasons) == 0
	return h
}

func (p *process) describe(h *Health) {
	status := p.leases.Status()
	h.App, h.AppReason = string(status.App.State), status.App.Reason
	if status.Conflict != "" {
		h.Reasons = append(h.Reasons, status.Conflict)
	}
	if status.Error != "" {
		h.Reasons = append(h.Reasons, "the leases cannot be read or written: "+status.Error)
	}
	for _, s := range status.Partitions {
		ph := PartitionHealth{Partition: s.Partition, Queue: s.Queue, State: string(s.State), Owner: s.Owner, Reason: s.Reason}
		part := p.partition(s.Partition)
		h.Reasons = append(h.Reasons, ph.tellOf(p.failures.of(s.Partition, h.Time), part != nil)...)
		if part != nil {
			ph.add(part.Health())
			h.Reasons = append(h.Reasons, p.judge(ph, h.Time)...)
		}
		h.Partitions = append(h.Partitions, ph)
	}
	h.Orchestrations = UsageHealth{Running: len(p.slots), Limit: cap(p.slots)}
	a := p.runner.Health()
	h.Activities = ActivityHealth{
		UsageHealth: UsageHealth{Running: a.Running, Limit: a.Slots}, Waiting: a.Waiting, Abandoned: a.Abandoned, LastReceive: a.LastReceive,
	}
	h.Reasons = append(h.Reasons, p.judgeActivities(a, h.Time)...)
	h.Reasons = append(h.Reasons, judgeLimits(a)...)
	h.Limits = limitHealth(a.Limits)
	h.Parked = append(p.unhosted.list(h.Time), parkedActivities(a.Parked)...)
}

func (ph *PartitionHealth) add(h partition.Health) {
	ph.LeaseUntil, ph.LastReceive, ph.OldestWaiting = h.LeaseUntil.UTC(), h.LastReceive, h.OldestWaiting
	ph.Waiting, ph.Sessions, ph.Commits = h.Waiting, h.Sessions, h.Commits
}

// slack is what a receive may take on top of the pauses, the attempts of one request included.
const slack = 15 * time.Second

func (p *process) patience() time.Duration { return 2*p.w.cfg.MaxPoll + slack }

// judge says what is wrong with a partition that this worker owns.
func (p *process) judge(ph PartitionHealth, now time.Time) (reasons []string) {
	if ph.State == string(leases.HandingOver) {
		return nil // it receives no more
	}
	if since := now.Sub(ph.LastReceive); !ph.LastReceive.IsZero() && since > p.patience() {
		reasons = append(reasons, fmt.Sprintf("partition %d was last received from %v ago, with %d messages waiting here; if that does not end, the partition goes to another worker",
			ph.Partition, since.Round(time.Second), ph.Waiting))
	}
	if since := now.Sub(ph.OldestWaiting); !ph.OldestWaiting.IsZero() && since > longWait {
		reasons = append(reasons, fmt.Sprintf("partition %d has a message that has waited for %v: the worker has more work than it can do, or orchestrations that do not return; add workers, or look for blocking calls in orchestrators",
			ph.Partition, since.Round(time.Second)))
	}
	return reasons
}

// longWait is how long a message may wait in a healthy worker. It covers the clocks of the service and of this machine.
const longWait = 5 * time.Minute

// judgeActivities says what is wrong with running activities.
func (p *process) judgeActivities(a activities.Health, now time.Time) (reasons []string) {
	if a.Clogged {
		reasons = append(reasons, fmt.Sprintf("%d activities go on although their attempts have ended, so no more are begun; let them watch their contexts, and restart the worker", a.Abandoned))
	}
	if !a.Receives {
		return reasons
	}
	if a.Failure != nil && now.Sub(a.FailingSince) > p.patience() {
		reasons = append(reasons, fmt.Sprintf("the work-item queue has not answered for %v: %v", now.Sub(a.FailingSince).Round(time.Second), a.Failure))
	} else if since := now.Sub(a.LastTurn); !a.LastTurn.IsZero() && since > p.patience() {
		reasons = append(reasons, fmt.Sprintf("the loop that receives work items has stood still for %v", since.Round(time.Second)))
	}
	return reasons
}

func parkedActivities(list []activities.Parked) []Parked {
	parked := make([]Parked, 0, len(list))
	for _, a := range list {
		kind := "activity"
		if a.Activity == "" {
			kind = "message"
		}
		parked = append(parked, Parked{
			Kind: kind, Name: a.Activity, Reason: a.Reason, Messages: a.Messages, Since: a.Oldest.UTC(), Seen: a.Seen.UTC(),
		})
	}
	return parked
}
