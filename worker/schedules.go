package worker

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/partition"
	"github.com/go-taskhub/taskhub/schedules"
)

// RegisterSchedules declares schedules of orchestrators that are registered with this worker, too. Start stores them: a schedule that
// the hub does not have is created, and one that has changed in the code since a worker declared it last is updated. Otherwise it
// stays as it is, so that what was changed by other means lasts until the code changes; a pause survives both. A schedule that
// is no longer declared goes on until it is deleted.
//
// What is wrong with a schedule is a [durable.ScheduleError], here or from Start and Run, and then the worker does not start
// and nothing is stored.
func (w *Worker) RegisterSchedules(list ...*durable.Schedule) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.used {
		return fmt.Errorf("worker: register schedules: %w", ErrRunning)
	}
	var errs []error
	for i, s := range list {
		if err := w.registerSchedule(s); err != nil {
			errs = append(errs, fmt.Errorf("schedule %d: %w", i+1, err))
		}
	}
	err := errors.Join(errs...)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("worker: register schedules: %w", err)
	w.registry.problems = errors.Join(w.registry.problems, err)
	return err
}

func (w *Worker) registerSchedule(s *durable.Schedule) error {
	if s == nil {
		return errors.New("the handle is nil; pass what durable.NewSchedule returned")
	}
	for _, other := range w.declared {
		if other.Name() == s.Name() {
			return &DuplicateNameError{Kind: "schedule", Name: s.Name()}
		}
	}
	if _, err := w.scheduleSpec(s); err != nil {
		return err
	}
	w.declared = append(w.declared, s)
	return nil
}

func (w *Worker) scheduleSpec(s *durable.Schedule) (durable.ScheduleSpec, error) {
	spec, err := s.Spec(w.hub.Converter())
	if err == nil {
		_, _, err = schedules.Normalize(spec)
	}
	return spec, err
}

// scheduleSpecs are the definitions of all declared schedules. Each has to start what this worker can run: a name that is written
// wrongly would start instances that wait for ever.
func (w *Worker) scheduleSpecs() ([]durable.ScheduleSpec, error) {
	specs := make([]durable.ScheduleSpec, 0, len(w.declared))
	for _, s := range w.declared {
		spec, err := w.scheduleSpec(s)
		if err != nil {
			return nil, err
		}
		if _, reason := w.registry.find(spec.Orchestrator, spec.Version); reason != "" {
			return nil, &durable.ScheduleError{
				Schedule: spec.Name, Field: "Orchestrator",
				Reason: fmt.Sprintf("is %q, and %s; if it is hosted elsewhere, create the schedule with a client", spec.Orchestrator, reason),
			}
		}
		specs = append(specs, spec)
	}
	return specs, nil
}

func (w *Worker) declareSchedules(ctx context.Context, specs []durable.ScheduleSpec) error {
	for _, spec := range specs {
		changed, err := w.hub.Client().DeclareSchedule(ctx, spec)
		if err != nil {
			return err
		}
		if changed {
			w.log.InfoContext(ctx, "a schedule was created or updated", keySchedule, spec.Name)
		}
	}
	return nil
}

// runSchedules sees to the schedules of a partition while it is owned and nobody else wants it.
func (p *process) runSchedules(lease *leases.Lease, part *partition.Partition) {
	release := p.schedules.Own(lease.Partition())
	p.ended.Go(func() {
		defer release()
		select {
		case <-lease.Lost():
		case <-lease.HandOver():
		case <-part.Done():
		}
	})
}
