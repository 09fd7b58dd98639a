package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/go-taskhub/taskhub/activities"
	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/partition"
	"github.com/go-taskhub/taskhub/schedules"
	"github.com/go-taskhub/taskhub/tables"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/telemetry"
)

// ErrRunning is returned by calls that must come before Start.
var ErrRunning = errors.New("the worker has started already")

// Worker runs the orchestrations and activities that were registered with it. It is safe for concurrent use.
type Worker struct {
	hub      *taskhub.Hub
	cfg      Config
	log      *slog.Logger
	registry *registry

	mu       sync.Mutex
	declared []*durable.Schedule
	running  *process // nil before Start and after Stop
	used     bool
	stopped  chan struct{} // closed when the first Stop has ended
}

// process is what Start sets going.
type process struct {
	w         *Worker
	runner    *activities.Runner
	leases    *leases.Manager
	schedules *schedules.Runner
	slots     chan struct{}
	// quarantine lets one message at a time be tried that may have ended processes before.
	quarantine chan struct{}
	memory     *memory
	kind       Fleet
	fleet      partition.Fleet

	mu         sync.Mutex
	partitions map[int]*partition.Partition
	unhosted   unhosted
	failures   failures
	ended      sync.WaitGroup
	unhook     func()
	unwatch    func()
	recorder   *telemetry.Recorder // nil for none
}

// New prepares a worker for a hub. Nothing is read or written before Start or Run, which create a missing hub.
func New(hub *taskhub.Hub, cfg Config) (*Worker, error) {
	if hub == nil {
		return nil, errors.New("worker: the hub is nil; open one with taskhub.Open")
	}
	cfg = cfg.withDefaults()
	v := versions{own: cfg.Version, match: cfg.VersionMatch}
	if err := v.validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = hub.Logger()
	}
	if cfg.Telemetry == nil {
		cfg.Telemetry = hub.Telemetry()
	}
	return &Worker{
		hub: hub, cfg: cfg, stopped: make(chan struct{}), log: cfg.Logger.With(keyHub, hub.Name(), keyWorker, cfg.ID),
		registry: newRegistry(durable.Environment{
			Converter: hub.Converter(), Interceptors: cfg.Interceptors, InheritVersion: cfg.Version != "",
		}, v),
	}, nil
}

// ID is the name this worker has in leases.
func (w *Worker) ID() string { return w.cfg.ID }

// Register adds orchestrators and activities. Registering a name twice, a handle without a function or without a name
// is an error that names it. The error is returned here and once more by Start and Run, so that it cannot be missed.
// A worker with activities and without orchestrators owns no partitions: it could not run what comes there.
func (w *Worker) Register(items ...durable.Registrable) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.used {
		return fmt.Errorf("worker: register: %w", ErrRunning)
	}
	return w.registry.add(items)
}

// Run starts the worker, waits for ctx to end, and stops it. It returns nil after a clean stop.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.Start(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	return w.Stop(context.WithoutCancel(ctx))
}

// Start creates the hub when it is missing, begins to acquire partitions and to run activities, and returns. The
// context bounds only the starting.
func (w *Worker) Start(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.used {
		return fmt.Errorf("worker: start: %w; make a new one", ErrRunning)
	}
	if err := w.registry.err(); err != nil {
		return fmt.Errorf("worker: start: %w", err)
	}
	specs, err := w.scheduleSpecs()
	if err != nil {
		return fmt.Errorf("worker: start: %w", err)
	}
	if err := w.hub.Ensure(ctx); err != nil {
		return fmt.Errorf("worker: start: %w", err)
	}
	fleet, err := w.decideFleet(ctx)
	if err == nil {
		err = w.declareSchedules(ctx, specs)
	}
	if err == nil {
		err = w.declareLimits(ctx)
	}
	if err != nil {
		return fmt.Errorf("worker: start: %w", err)
	}
	p, err := newProcess(w, fleet)
	if err != nil {
		return err
	}
	if err := p.leases.Start(ctx); err != nil {
		p.unhook()
		p.unwatch()
		return fmt.Errorf("worker: start: %w", err)
	}
	p.runner.Start()
	p.memory.watch(p.trim)
	w.used, w.running = true, p
	w.log.Info("the worker has started", keyOrchestrators, w.registry.orchestratorCount(), keyActivities, w.registry.activityCount())
	return nil
}

// Stop drains the worker: partitions finish the episodes that run and are released, running activities get their
// grace time, what is unfinished goes back to the queues for other workers. A second Stop waits for the first. When ctx
// ends first, or after Config.StopTimeout where ctx has no deadline, Stop returns an error, and the rest is found by others
// when locks and leases run out.
func (w *Worker) Stop(ctx context.Context) error {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, w.cfg.StopTimeout)
		defer cancel()
	}
	w.mu.Lock()
	p, used := w.running, w.used
	w.running = nil
	w.mu.Unlock()
	switch {
	case p != nil:
		defer close(w.stopped)
		err := p.stop(ctx)
		w.log.Info("the worker has stopped")
		return err
	case !used:
		return nil
	}
	select {
	case <-w.stopped:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("worker: stop: %w", ctx.Err())
	}
}

func newProcess(w *Worker, fleet Fleet) (*process, error) {
	p := &process{
		w: w, kind: fleet, fleet: forPartitions(fleet), partitions: map[int]*partition.Partition{}, slots: make(chan struct{}, w.cfg.MaxOrchestrations),
		quarantine: make(chan struct{}, 1), memory: newMemory(w.cfg.MaxMemory, w.log),
		unhosted: unhosted{seen: map[orchestration]*waiting{}},
	}
	hosts, useAppLease := w.registry.activityCount() > 0, !w.cfg.DisableAppLease
	p.recorder = w.cfg.Telemetry.For(w.hub.Name())
	p.runner = activities.New(activities.Config{
		Telemetry: p.recorder, Hub: w.hub.Name(), Queues: w.hub.Queues(), Handler: w.registry.activity, Hosts: &hosts,
		Bury:    p.bury,
		Purged:  p.purged,
		Deliver: p.deliver, ResultPut: p.wake, KeepAll: p.keepsAll,
		Limits:   w.limitsConfig(),
		Timeouts: w.registry.activityTimeouts, Terminated: p.terminated, Alone: p.alone, Paused: p.outside,
		DefaultTimeouts: durable.ActivityTimeouts{StartToClose: w.cfg.ActivityTimeout, Heartbeat: w.cfg.ActivityHeartbeatTimeout},
		Slots:           w.cfg.MaxActivities, MaxPoll: w.cfg.MaxPoll, SharedPoll: w.cfg.MaxActivityPoll, Grace: w.cfg.ActivityGrace,
		Errors: w.hub.ErrorStyle(), Logger: w.log,
	})
	manager, err := leases.New(leases.Config{
		Account: w.hub.TrackingAccount(), Names: w.hub.Names(), Partitions: w.hub.Partitions(), WorkerID: w.cfg.ID,
		AppName: w.cfg.AppName, UseAppLease: &useAppLease, Mode: w.hub.LeaseMode(), Logger: w.cfg.Logger,
		Fleet: forLeases(fleet), Admit: p.admit, Duration: w.cfg.LeaseDuration, Observe: w.registry.activitiesOnly(),
		OnAcquired: p.acquired,
	})
	if err != nil {
		return nil, fmt.Errorf("worker: start: %w", err)
	}
	p.leases = manager
	p.schedules = schedules.NewRunner(schedules.RunnerConfig{Desk: w.hub.ScheduleDesk(), Logger: w.log, Help: fleet == FleetMixed})
	unhookMessages, unhookStarts := w.hub.OnMessage(p.wake), w.hub.OnStart(p)
	p.unhook = func() { unhookMessages(); unhookStarts() }
	p.unwatch = p.recorder.Watch(p.snapshot)
	return p, nil
}

// outside says whether another application has the hub: its work items are not for this worker.
func (p *process) outside() bool { return p.leases.Status().App.State == leases.AppWaiting }

// acquired sets a partition going that this worker now owns.
func (p *process) acquired(lease *leases.Lease) {
	cfg := p.w.cfg
	part := partition.New(partition.Config{
		Names: p.w.hub.Names(), Queues: p.w.hub.Queues(), Tables: p.w.hub.Tables(), Host: host{p, lease.Partition()}, Lease: lease, Logger: p.w.log,
		Telemetry: p.recorder, Worker: cfg.ID, Notice: p.schedules.Changed, Quarantine: p.quarantine, Idempotent: p.w.registry.isIdempotent,
		Fleet: p.fleet, Slots: p.slots, MessageLock: cfg.messageLock(), MaxPoll: cfg.MaxPoll, MaxSessions: cfg.MaxSessions, StuckAfter: cfg.StuckAfter,
		Errors: p.w.hub.ErrorStyle(), Pressed: p.memory.pressed.Load,
		Limits: partition.Limits{WarnEvents: cfg.WarnHistory, MaxEvents: cfg.MaxHistory, WarnPayload: cfg.WarnPayload, MaxPayload: cfg.MaxPayload},
	})
	p.mu.Lock()
	p.partitions[lease.Partition()] = part
	p.mu.Unlock()
	part.Start()
	p.w.hub.Owned(lease.Partition(), true)
	p.runSchedules(lease, part)
	p.ended.Go(func() {
		<-part.Done()
		p.failures.note(lease.Partition(), part.Failure(), time.Now())
		p.w.hub.Owned(lease.Partition(), false)
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.partitions[lease.Partition()] == part {
			delete(p.partitions, lease.Partition())
		}
	})
}

func (p *process) partition(i int) *partition.Partition {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.partitions[i]
}

func (p *process) all() []*partition.Partition {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]*partition.Partition, 0, len(p.partitions))
	for _, part := range p.partitions {
		list = append(list, part)
	}
	return list
}

// stop ends activities and partitions side by side: results of activities that end within their grace time still
// reach their sessions or go out as messages.
func (p *process) stop(ctx context.Context) error {
	p.unhook()
	defer p.unwatch()
	defer p.memory.end()
	p.schedules.Stop()
	var wg sync.WaitGroup
	errs := make([]error, 2)
	if p.fleet == partition.Go {
		p.quiesce()
		errs[0] = p.runner.Stop(ctx) // what its activities decide is committed before the partitions end
	} else {
		wg.Go(func() { errs[0] = p.runner.Stop(ctx) })
	}
	wg.Go(func() {
		errs[1] = p.leases.Stop(ctx)
		for _, part := range p.all() {
			wg.Go(func() { _ = part.Stop(ctx) })
		}
	})
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("worker: stop: %w", err)
	}
	p.ended.Wait()
	return nil
}

// deliver routes an activity's result to the partition that owns its instance, if that is in this process.
func (p *process) deliver(r activities.Result) bool {
	index := layout.Partition(r.Envelope.Message.Target.InstanceID, p.w.hub.Partitions())
	part := p.partition(index)
	return part != nil && part.Deliver(partition.Result(r))
}

// wake makes the partition look at its queue, if it is in this process.
func (p *process) wake(index int) {
	if part := p.partition(index); part != nil {
		part.Wake()
	}
}

// The methods below make a process the host of its partitions.

// ActivityRoom says whether an activity would start here soon, and keeps a place for it then.
func (p *process) ActivityRoom(name string) bool { return p.runner.Room(name) }

// ActivityRoomLeft returns places that are not needed.
func (p *process) ActivityRoomLeft(places int) { p.runner.Left(places) }

// OfferActivity hands a work item to the activity runner.
func (p *process) OfferActivity(w partition.WorkItem) bool {
	work := activities.Work{Envelope: w.Envelope, Receipt: w.Receipt, LockedUntil: w.LockedUntil, Promoted: w.Promoted}
	if w.Ahead != nil {
		work.Ahead = ahead{w.Ahead}
	}
	return p.runner.Offer(work)
}

// ahead shows the runner a decision that is not stored yet.
type ahead struct{ *partition.Ahead }

// Take implements activities.Ahead.
func (a ahead) Take(r activities.Result) bool { return a.Ahead.Take(partition.Result(r)) }

// ControlMessagePut wakes the partition a message was sent to.
func (p *process) ControlMessagePut(index int) { p.wake(index) }

// WorkItemPut wakes the activity runner.
func (p *process) WorkItemPut() { p.runner.Wake() }

// StartLock says how long a start of a partition's instance is to be invisible that is handed to TakeStart.
func (p *process) StartLock(index int) time.Duration {
	if part := p.partition(index); part != nil {
		return part.StartLock()
	}
	return 0
}

// TakeStart gives a start by a client in this process to the partition that owns the instance.
func (p *process) TakeStart(index int, s taskhub.LocalStart) bool {
	part := p.partition(index)
	return part != nil && part.TakeStart(partition.Start(s))
}

// InstanceEnded tells those who wait for the instance in this process, and stops activities that nobody wants any more.
func (p *process) InstanceEnded(id string, row *tables.InstanceRow) {
	if row != nil {
		p.w.hub.Ended(row)
	} else {
		p.w.hub.Notify(id)
	}
	p.runner.InstanceEnded(id)
	p.schedules.Ended(id)
}

// terminated says whether an execution was terminated. A row that is missing or belongs to another execution says nothing:
// a child's is written late, and what continues as new may want its activities to end.
func (p *process) terminated(ctx context.Context, execution history.Instance) (bool, error) {
	row, err := p.w.hub.Tables().GetInstance(ctx, execution.InstanceID, tables.GetOptions{})
	if err != nil || row == nil || execution.ExecutionID == nil {
		return false, err
	}
	return row.Status == history.Terminated && strings.EqualFold(row.ExecutionID, *execution.ExecutionID), nil
}
