package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/twins/programs"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

func runWorker(ctx context.Context, o options) error {
	hub, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = hub.Close() }()
	cfg := o.workerConfig()
	if cfg.Fleet, err = o.fleetOf(ctx, hub); err != nil {
		return err
	}
	w, err := worker.New(hub, cfg)
	if err != nil {
		return err
	}
	if err := w.Register(o.hosted()...); err != nil {
		return err
	}
	if err := w.Start(ctx); err != nil {
		return err
	}
	if err := w.WaitReady(ctx); err == nil {
		fmt.Println("worker ready")
	}
	select {
	case <-ctx.Done():
	case <-time.After(seconds(o.seconds)):
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	return w.Stop(stop)
}

// hosted are the orchestrators and activities the flags ask for, by the peer's rules.
func (o options) hosted() []durable.Registrable {
	var items []durable.Registrable
	for _, d := range programs.Orchestrators() {
		if o.onlyOrchs == "all" || listed(o.onlyOrchs, d.Name()) || o.onlyOrchs == "" && o.onlyActivities == "" {
			items = append(items, d)
		}
	}
	for _, d := range programs.Activities() {
		if listed(o.onlyActivities, d.Name()) || o.onlyActivities == "" && o.onlyOrchs == "" {
			items = append(items, d)
		}
	}
	return items
}

func listed(list, name string) bool {
	for item := range strings.SplitSeq(list, ",") {
		if item == name {
			return true
		}
	}
	return false
}

// withClient opens the hub for one call.
func withClient(ctx context.Context, o options, call func(*taskhub.Client) error) error {
	hub, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = hub.Close() }()
	return call(hub.Client())
}

func start(ctx context.Context, o options) error {
	return withClient(ctx, o, func(c *taskhub.Client) error {
		req := durable.StartRequest{Name: o.name, InstanceID: o.id, Input: o.json("input", o.input), Reuse: everyStatus}
		if o.given["delay"] {
			req.StartAt = time.Now().Add(seconds(o.delay))
		}
		started, err := c.StartOrchestration(ctx, req)
		if err != nil {
			return err
		}
		fmt.Println(started.InstanceID, started.ExecutionID)
		return nil
	})
}

// everyStatus lets a start replace whatever is there, as the peer's does.
var everyStatus = []history.Status{
	history.Running, history.Completed, history.ContinuedAsNew, history.Failed, history.Canceled, history.Terminated,
	history.Pending, history.Suspended,
}

func wait(ctx context.Context, o options) error {
	return withClient(ctx, o, func(c *taskhub.Client) error {
		ctx, cancel := context.WithTimeout(ctx, seconds(o.wait))
		defer cancel()
		in, err := c.WaitForCompletion(ctx, o.id, "")
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, taskhub.ErrInstanceNotFound) {
			fmt.Println("null")
			return errNotEnded
		}
		if err != nil {
			return err
		}
		return printJSON(shown(in))
	})
}

// state prints the status and the history, as the peer does.
func state(ctx context.Context, o options) error {
	return withClient(ctx, o, func(c *taskhub.Client) error {
		in, err := c.GetInstance(ctx, o.id)
		if errors.Is(err, taskhub.ErrInstanceNotFound) {
			fmt.Println("null")
			return errNotEnded
		}
		if err != nil {
			return err
		}
		if err := printJSON(shown(in)); err != nil {
			return err
		}
		events, err := c.ExportHistory(ctx, o.id)
		if err != nil {
			return err
		}
		fmt.Println(string(events))
		return nil
	})
}

func query(ctx context.Context, o options) error {
	return withClient(ctx, o, func(c *taskhub.Client) error {
		all := []orchestrationState{}
		for in, err := range c.Query(ctx, taskhub.Query{Inputs: true, Outputs: true, IncludeEntities: true}) {
			if err != nil {
				return err
			}
			all = append(all, shown(&in.Instance))
		}
		return printJSON(all)
	})
}

func raise(ctx context.Context, o options) error {
	return withClient(ctx, o, func(c *taskhub.Client) error {
		return c.RaiseEventText(ctx, o.id, o.event, o.json("data", o.data))
	})
}

func terminate(ctx context.Context, o options) error {
	return withClient(ctx, o, func(c *taskhub.Client) error { return c.Terminate(ctx, o.id, o.reason) })
}

func suspend(ctx context.Context, o options) error {
	return withClient(ctx, o, func(c *taskhub.Client) error { return c.Suspend(ctx, o.id, o.reason) })
}

func resume(ctx context.Context, o options) error {
	return withClient(ctx, o, func(c *taskhub.Client) error { return c.Resume(ctx, o.id, o.reason) })
}

func rewind(ctx context.Context, o options) error {
	return withClient(ctx, o, func(c *taskhub.Client) error { return c.Rewind(ctx, o.id, o.reason) })
}

// signalEntity and showEntity stand for the peer's verbs about entities.
func signalEntity(context.Context, options) error { return fmt.Errorf("signal: %w", errEntities) }

func showEntity(context.Context, options) error { return fmt.Errorf("entity: %w", errEntities) }

func purge(ctx context.Context, o options) error {
	return withClient(ctx, o, func(c *taskhub.Client) error {
		done, err := c.Purge(ctx, o.id, taskhub.PurgeUnfinished())
		if err != nil {
			return err
		}
		return printJSON(map[string]int{"InstancesDeleted": done.Instances, "RowsDeleted": done.Rows})
	})
}

// orchestrationState has the members of the peer's output, in its order.
type orchestrationState struct {
	CompletedTime         string
	CompressedSize        int
	CreatedTime           string
	Input                 *string
	LastUpdatedTime, Name string
	OrchestrationInstance struct{ InstanceId, ExecutionId string }
	OrchestrationStatus   history.Status
	Output                *string
	ParentInstance        *struct{} // never known here
	Size                  int
	Status                *string
	Tags                  map[string]string
	Version               string
	Generation            int32
	ScheduledStartTime    *string
	FailureDetails        *struct{} // the status row has none
}

func shown(in *durable.Instance) orchestrationState {
	s := orchestrationState{
		CompletedTime: history.FormatTime(in.CompletedAt), CreatedTime: history.FormatTime(in.CreatedAt),
		LastUpdatedTime: history.FormatTime(in.LastUpdatedAt), Name: in.Name, Version: in.Version, Input: in.Input, Output: in.Output,
		OrchestrationStatus: in.Status, Status: in.CustomStatus, Tags: in.Tags, Generation: in.Generation,
	}
	if !in.ScheduledStartAt.IsZero() {
		s.ScheduledStartTime = history.String(history.FormatTime(in.ScheduledStartAt))
	}
	s.OrchestrationInstance.InstanceId, s.OrchestrationInstance.ExecutionId = in.InstanceID, in.ExecutionID
	return s
}

// printJSON prints a line of JSON in which, as in .NET's, HTML's special characters stay as they are.
func printJSON(v any) error {
	e := json.NewEncoder(os.Stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
