package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Snapshot is what a worker is doing at the moment.
type Snapshot struct {
	Partitions []PartitionSnapshot // those that the worker owns
	// EpisodesRunning is how many of EpisodeSlots episodes run.
	EpisodesRunning, EpisodeSlots int
	// ActivitiesRunning is how many of ActivitySlots activities run; ActivitiesWaiting wait for a slot.
	ActivitiesRunning, ActivitySlots, ActivitiesWaiting int
	// WorkItemLag is how long the oldest work item of the last receive had waited.
	WorkItemLag time.Duration
	Limits      []LimitSnapshot
}

// LimitSnapshot is a limit of activities.
type LimitSnapshot struct {
	Name    string
	Waiting int           // attempts that wait here
	Begun   int64         // attempts that it has let begin
	Waited  time.Duration // how long those had waited, in sum
}

// PartitionSnapshot is one partition.
type PartitionSnapshot struct {
	Partition int
	Sessions  int           // instances in memory
	Waiting   int           // messages received and not yet looked at
	Lag       time.Duration // how long the oldest message of the last receive had been due
}

// Watch lets the metrics ask a worker what it is doing, from now until stop is called. The worker must answer soon.
func (r *Recorder) Watch(ask func() Snapshot) (stop func()) {
	if !r.Measuring() {
		return func() {}
	}
	m := r.meters
	return m.observe(func(o metric.Observer) { m.report(o, ask()) },
		m.owned, m.sessions, m.episodesRunning, m.episodeSlots, m.activitySlots, m.activitiesWaiting, m.messagesWaiting, m.lag,
		m.limitsWaiting, m.limitsBegun, m.limitsWaited)
}

func (m *meters) report(o metric.Observer, s Snapshot) {
	all := m.with(label{})
	o.ObserveInt64(m.owned, int64(len(s.Partitions)), all)
	o.ObserveInt64(m.episodesRunning, int64(s.EpisodesRunning), all)
	o.ObserveInt64(m.episodeSlots, int64(s.EpisodeSlots), all)
	o.ObserveInt64(m.activitySlots, int64(s.ActivitiesRunning), m.with(label{key: slotKey, first: "used"}))
	o.ObserveInt64(m.activitySlots, int64(s.ActivitySlots-s.ActivitiesRunning), m.with(label{key: slotKey, first: "free"}))
	o.ObserveInt64(m.activitiesWaiting, int64(s.ActivitiesWaiting), all)
	o.ObserveFloat64(m.lag, s.WorkItemLag.Seconds(), m.with(label{key: partitionKey, first: WorkItemQueue, number: NoPartition}))
	for _, p := range s.Partitions {
		with := m.with(label{key: partitionKey, first: ControlQueue, number: p.Partition})
		o.ObserveInt64(m.sessions, int64(p.Sessions), with)
		o.ObserveInt64(m.messagesWaiting, int64(p.Waiting), with)
		o.ObserveFloat64(m.lag, p.Lag.Seconds(), with)
	}
	for _, l := range s.Limits {
		with := m.with(label{key: limitKey, first: l.Name})
		o.ObserveInt64(m.limitsWaiting, int64(l.Waiting), with)
		o.ObserveInt64(m.limitsBegun, l.Begun, with)
		o.ObserveFloat64(m.limitsWaited, l.Waited.Seconds(), with)
	}
}

func (i *instruments) observe(report func(metric.Observer), what ...metric.Observable) (stop func()) {
	registration, err := i.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		report(o)
		return nil
	}, what...)
	if err != nil {
		return func() {} // it fails for instruments of other meters only
	}
	return func() { _ = registration.Unregister() }
}

// StorageCall is a request to a storage service.
type StorageCall struct {
	Service   string // "queue", "table" or "blob"
	Operation string // as in storage.Counts, such as "queue.put"
	// Status is that of the answer; 0 when none came.
	Status    int
	Throttled bool
	Took      time.Duration // until the answer began
}

// StoragePace says how a service's load is adapted to.
type StoragePace struct {
	Service string
	Limit   int // requests that may be under way; 0 for no limit
	Waiting int // requests that wait for their turn
}

// accountUse is an account whose requests are measured.
type accountUse struct {
	users int
	stop  func()
}

// Account measures the requests to an account, which several hubs may share, until release is called by each of them. connect
// is called for the first: it sees to it that calls are reported, until its result is called.
func (t *Telemetry) Account(account any, name string, pace func() []StoragePace, connect func(report func(StorageCall)) (disconnect func())) (release func()) {
	if t == nil || t.instruments == nil {
		return func() {}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	use, known := t.accounts[account]
	if !known {
		use = &accountUse{stop: t.measure(name, pace, connect)}
		t.accounts[account] = use
	}
	use.users++
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if use.users--; use.users == 0 {
			delete(t.accounts, account)
			use.stop()
		}
	}
}

func (t *Telemetry) measure(name string, pace func() []StoragePace, connect func(report func(StorageCall)) (disconnect func())) (stop func()) {
	i, account := t.instruments, accountKey.String(name)
	disconnect := connect(func(c StorageCall) {
		service, operation := serviceKey.String(c.Service), operationKey.String(c.Operation)
		i.calls.Record(background, c.Took.Seconds(), metric.WithAttributeSet(attribute.NewSet(account, service, operation, responseKey.Int(c.Status))))
		if c.Throttled {
			i.throttled.Add(background, 1, metric.WithAttributeSet(attribute.NewSet(account, service)))
		}
	})
	unwatch := i.observe(func(o metric.Observer) {
		for _, p := range pace() {
			with := metric.WithAttributeSet(attribute.NewSet(account, serviceKey.String(p.Service)))
			o.ObserveInt64(i.concurrency, int64(p.Limit), with)
			o.ObserveInt64(i.requestsWaiting, int64(p.Waiting), with)
		}
	}, i.concurrency, i.requestsWaiting)
	return func() { disconnect(); unwatch() }
}
