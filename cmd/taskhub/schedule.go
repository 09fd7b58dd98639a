package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/taskhub"
)

// newSchedule is the group of commands about schedules.
func newSchedule(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "schedule",
		Aliases: []string{"schedules"},
		Short:   "Create, list, pause, trigger and backfill schedules",
		Long: `Create, list, pause, trigger and backfill schedules: orchestrations that workers start by a cron text or at fixed intervals.
Every tick starts one instance, whose id is the schedule's name and the time of the tick.`,
	}
	t := addTarget(cmd, w)
	group(cmd, newScheduleCreate(w, t), newScheduleList(w, t), newScheduleShow(w, t), newScheduleNext(w, t), newSchedulePause(w, t), newScheduleResume(w, t),
		newScheduleTrigger(w, t), newScheduleBackfill(w, t), newScheduleDelete(w, t))
	return cmd
}

// scheduleFlags are the flags that fields of a definition are given with.
var scheduleFlags = map[string]string{
	"Cron": "cron", "TimeZone": "zone", "Every": "every", "Anchor": "anchor", "StartAt": "from", "EndAt": "until", "MaxRuns": "max-runs", "Overlap": "overlap",
	"CatchUp": "catch-up", "Jitter": "jitter", "Input": "input", "Tags": "tag", "Version": "version", "Note": "note",
}

// scheduleError puts the flag in front of an error about a definition, and gives errors their exit status.
func scheduleError(err error, flags map[string]string) error {
	invalid := new(durable.ScheduleError)
	switch {
	case errors.As(err, &invalid) && flags[invalid.Field] != "":
		return usage(fmt.Errorf("--%s %s", flags[invalid.Field], invalid.Reason))
	case errors.As(err, &invalid):
		return usage(err)
	case errors.Is(err, taskhub.ErrScheduleNotFound):
		return notFound(err)
	case errors.Is(err, taskhub.ErrScheduleExists):
		return withStatus(exitState, fmt.Errorf("%w: add --replace", err))
	case errors.As(err, new(*taskhub.ScheduleBusyError)):
		return withStatus(exitState, fmt.Errorf("%w: add --overlap allow", err))
	}
	return err
}

// completeSchedules gives the shell names of schedules.
func completeSchedules(t *target) cobra.CompletionFunc {
	return completeFrom(t, func(ctx context.Context, c *taskhub.Client, _ string, add func(name, description string)) error {
		page, err := c.SchedulePage(ctx, "", 0)
		if err != nil {
			return err
		}
		for _, s := range page.Schedules {
			add(s.Name, s.Orchestrator+" "+timingText(s))
		}
		return nil
	})
}

func newScheduleList(w world, t *target) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "list",
		Aliases:           []string{"ls"},
		Short:             "List schedules",
		Example:           `  taskhub schedule list -o wide`,
		Args:              arguments(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	format := addFormat(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			if err := requireHub(ctx, hub); err != nil {
				return err
			}
			var list []*taskhub.Schedule
			for s, err := range hub.Client().Schedules(ctx) {
				if err != nil {
					return err
				}
				list = append(list, s)
			}
			slices.SortFunc(list, func(a, b *taskhub.Schedule) int { return strings.Compare(a.Name, b.Name) })
			return writeSchedules(w, hub, list, format.value)
		})
	}
	return cmd
}

func writeSchedules(w world, hub *taskhub.Hub, list []*taskhub.Schedule, format string) error {
	if format == formatJSON {
		return writeArray(w.out, list, newScheduleJSON)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintf(w.err, "Hub %q has no schedules.\n", hub.Name())
		return err
	}
	table := newTable(w, format, column{title: "SCHEDULE"}, column{title: "ORCHESTRATOR"}, column{title: "TICKS"}, column{title: "STATE"}, column{title: "NEXT"}, column{title: "LAST"},
		column{title: "OVERLAP", wide: true}, column{title: "STARTED", wide: true}, column{title: "SKIPPED", wide: true}, column{title: "MISSED", wide: true},
		column{title: "WAITING", wide: true}, column{title: "NOTE", wide: true})
	for _, s := range list {
		err := table.add(s.Name, s.Orchestrator, timingText(s), s.State(), formatTime(s.NextTick), formatTime(s.LastTick), string(s.Overlap),
			strconv.FormatInt(s.Started, 10), strconv.FormatInt(s.Skipped, 10), strconv.FormatInt(s.Missed, 10), strconv.Itoa(len(s.Queued)), s.Note)
		if err != nil {
			return err
		}
	}
	return table.end()
}

func newScheduleShow(w world, t *target) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "show NAME",
		Short:             "Show a schedule",
		Example:           `  taskhub schedule show nightly`,
		Args:              arguments("NAME"),
		ValidArgsFunction: completeSchedules(t),
	}
	format := addOutput(cmd, formatText)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			s, err := hub.Client().GetSchedule(ctx, args[0])
			if err != nil {
				return scheduleError(err, nil)
			}
			if format.value == formatJSON {
				return writeJSON(w.out, newScheduleJSON(s))
			}
			_, err = fmt.Fprint(w.out, describeSchedule(s, w.now()))
			return err
		})
	}
	return cmd
}

func newScheduleNext(w world, t *target) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "next NAME",
		Short:             "Show when a schedule ticks next",
		Long:              `Show when a schedule ticks next, one line a tick in UTC and in the schedule's time zone; of a paused one, when it would if it were resumed now.`,
		Example:           `  taskhub schedule next nightly --count 30`,
		Args:              arguments("NAME"),
		ValidArgsFunction: completeSchedules(t),
	}
	const most = 1000
	count := cmd.Flags().IntP("count", "n", 10, "`how many`, up to 1000")
	format := addOutput(cmd, formatText)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *count < 1 || *count > most {
			return usage(fmt.Errorf("--count is %d: give 1 to %d", *count, most))
		}
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			s, err := hub.Client().GetSchedule(ctx, args[0])
			if err != nil {
				return scheduleError(err, nil)
			}
			return writeTicks(w, s, s.Upcoming(w.now(), *count), format.value)
		})
	}
	return cmd
}

// writeTicks writes points in time.
func writeTicks(w world, s *taskhub.Schedule, ticks []time.Time, format string) error {
	if format == formatJSON {
		texts := make([]string, len(ticks))
		for i, tick := range ticks {
			texts[i] = tick.UTC().Format(time.RFC3339)
		}
		return writeJSON(w.out, texts)
	}
	zone, err := time.LoadLocation(s.TimeZone)
	if err != nil {
		zone = time.UTC
	}
	for _, tick := range ticks {
		line := formatTime(tick)
		if s.TimeZone != "" {
			line += "   " + tick.In(zone).Format("Mon 2006-01-02 15:04:05 MST")
		}
		if _, err := fmt.Fprintln(w.out, line); err != nil {
			return err
		}
	}
	if len(ticks) == 0 {
		_, err := fmt.Fprintf(w.err, "Schedule %q has no more ticks.\n", s.Name)
		return err
	}
	return nil
}
