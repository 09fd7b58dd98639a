package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/taskhub"
)

func newScheduleCreate(w world, t *target) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create NAME ORCHESTRATOR",
		Short: "Create a schedule, or replace its definition",
		Long: `Create a schedule that starts an orchestrator by a cron text of five fields, or of six with the seconds in front, or each time an
interval has passed. With --replace one that exists gets the new definition and keeps what became of it.`,
		Example: `  taskhub schedule create nightly Report --cron "0 0 7 * * *" --zone Europe/Berlin
  taskhub schedule create poll Fetch --every 5m --overlap queue --input '{"repo":"x"}'
  taskhub schedule create nightly Report --cron "0 7 * * MON-FRI" --replace
  taskhub schedule create nightly Report --cron "30 2 * * *" --zone Europe/Berlin --preview 5`,
		Args:              arguments("NAME", "ORCHESTRATOR"),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	var spec durable.ScheduleSpec
	flags := cmd.Flags()
	flags.StringVar(&spec.Cron, "cron", "", "cron `text`: minute, hour, day of month, month, day of week, and seconds in front if there are six fields")
	flags.StringVar(&spec.TimeZone, "zone", "", "time zone of --cron by its IANA `name` (default UTC)")
	flags.StringVar(&spec.Version, "version", "", "`version` of the orchestrator")
	flags.StringToStringVar(&spec.Tags, "tag", nil, "`name=value` of a tag of each instance")
	flags.Int64Var(&spec.MaxRuns, "max-runs", 0, "`number` of ticks after which the schedule ends (default without end)")
	overlap := addChoice(cmd, "overlap", "", "", "what happens while an earlier instance runs (default skip)", "skip", "queue", "allow")
	input := addPayload(cmd, w, "input", "input of each instance")
	lengths := map[string]*duration{"every": {}, "catch-up": {}, "jitter": {}}
	flags.Var(lengths["every"], "every", "time between two ticks")
	flags.Var(lengths["catch-up"], "catch-up", "how late a tick may be started after an outage (default 24h)")
	flags.Var(lengths["jitter"], "jitter", "delay each tick by a part of this time")
	instants := map[string]*instant{}
	for name, help := range map[string]string{"anchor": "one of the ticks of --every", "from": "no tick before this time", "until": "no tick after this time"} {
		instants[name] = &instant{world: w, parse: parseStart}
		flags.Var(instants[name], name, help)
	}
	replace := flags.Bool("replace", false, "replace the definition when the schedule exists")
	preview := flags.Int("preview", 0, "show the next `n` ticks and store nothing")
	format := addOutput(cmd, formatText)
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		spec.Name, spec.Orchestrator, spec.Overlap = args[0], args[1], durable.ScheduleOverlap(overlap.value)
		spec.Every, spec.CatchUp, spec.Jitter = lengths["every"].value, lengths["catch-up"].value, lengths["jitter"].value
		if flags.Changed("every") && spec.Every == 0 {
			return usage(errors.New("--every is 0s; give at least one second"))
		}
		spec.Anchor, spec.StartAt, spec.EndAt = instants["anchor"].value, instants["from"].value, instants["until"].value
		if spec.Input, err = input.read(cmd); err != nil {
			return err
		}
		const most = 1000
		if *preview < 0 || *preview > most {
			return usage(fmt.Errorf("--preview is %d: give 1 to %d", *preview, most))
		}
		ticks, err := taskhub.PreviewSchedule(spec, w.now(), max(*preview, 1))
		if err != nil {
			return scheduleError(err, scheduleFlags)
		}
		if *preview > 0 {
			return writeTicks(w, &taskhub.Schedule{ScheduleSpec: spec}, ticks, format.value)
		}
		t.create = true
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			s, err := hub.Client().CreateSchedule(ctx, spec)
			if errors.Is(err, taskhub.ErrScheduleExists) && *replace {
				s, err = hub.Client().UpdateSchedule(ctx, spec)
			}
			return changedSchedule(w, s, err, format.value)
		})
	}
	return cmd
}

// changedSchedule writes a schedule after a change.
func changedSchedule(w world, s *taskhub.Schedule, err error, format string) error {
	if err != nil {
		return scheduleError(err, scheduleFlags)
	}
	if format == formatJSON {
		return writeJSON(w.out, newScheduleJSON(s))
	}
	text := fmt.Sprintf("Schedule %q is %s", s.Name, s.State())
	if !s.NextTick.IsZero() {
		text += ", next tick " + formatTime(s.NextTick)
	}
	_, err = fmt.Fprintln(w.out, clean(text)+".")
	return err
}

func newSchedulePause(w world, t *target) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "pause NAME",
		Short:   "Let a schedule start nothing until it is resumed",
		Example: `  taskhub schedule pause nightly --note "month end"`,
	}
	return pauseCommand(w, t, cmd, (*taskhub.Client).PauseSchedule)
}

func newScheduleResume(w world, t *target) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "resume NAME",
		Short:   "Let a paused schedule go on with the next tick to come",
		Long:    `Let a paused schedule go on with the next tick to come. Ticks of the time of the pause are left out; backfill starts them.`,
		Example: `  taskhub schedule resume nightly`,
	}
	return pauseCommand(w, t, cmd, (*taskhub.Client).ResumeSchedule)
}

func pauseCommand(w world, t *target, cmd *cobra.Command, do func(*taskhub.Client, context.Context, string, string) (*taskhub.Schedule, error)) *cobra.Command {
	cmd.Args, cmd.ValidArgsFunction = arguments("NAME"), completeSchedules(t)
	note := cmd.Flags().String("note", "", "`text` that says why")
	format := addOutput(cmd, formatText)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			s, err := do(hub.Client(), ctx, args[0], *note)
			return changedSchedule(w, s, err, format.value)
		})
	}
	return cmd
}

// runOptions turns the value of --overlap into options.
func runOptions(overlap string) []taskhub.ScheduleRunOption {
	if overlap == "" {
		return nil
	}
	return []taskhub.ScheduleRunOption{taskhub.UseOverlap(durable.ScheduleOverlap(overlap))}
}

func newScheduleTrigger(w world, t *target) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "trigger NAME",
		Short:             "Start an instance of a schedule now, and print its id",
		Example:           `  taskhub schedule trigger nightly`,
		Args:              arguments("NAME"),
		ValidArgsFunction: completeSchedules(t),
	}
	overlap := addChoice(cmd, "overlap", "", "", "overlap policy for this instance (default the schedule's)", "skip", "allow")
	format := addOutput(cmd, formatText)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			id, err := hub.Client().TriggerSchedule(ctx, args[0], runOptions(overlap.value)...)
			if err != nil {
				return scheduleError(err, scheduleFlags)
			}
			if format.value == formatJSON {
				return writeJSON(w.out, map[string]string{"instanceId": id})
			}
			_, err = fmt.Fprintln(w.out, id)
			return err
		})
	}
	return cmd
}

func newScheduleBackfill(w world, t *target) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backfill NAME",
		Short: "Start the ticks of a time range that were not started before",
		Long: `Start the ticks of a time range that were not started before, up to 10,000: one after the other, or together with --overlap allow.
Workers do it, beside the ticks to come.`,
		Example:           `  taskhub schedule backfill nightly --from 2026-06-01 --to 2026-06-07T23:59:59Z`,
		Args:              arguments("NAME"),
		ValidArgsFunction: completeSchedules(t),
	}
	from, to := &instant{world: w, parse: parseTime}, &instant{world: w, parse: parseTime}
	cmd.Flags().Var(from, "from", "the first tick, at the earliest")
	cmd.Flags().Var(to, "to", "the last tick, at the latest (default now)")
	overlap := addChoice(cmd, "overlap", "", "", "whether instances may run at a time (default as the schedule's policy)", "queue", "allow")
	yes := addYes(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if from.value.IsZero() {
			return usage(errors.New("--from is missing: give the time of the first tick"))
		}
		if to.value.IsZero() {
			to.value = w.now()
		}
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			s, err := hub.Client().GetSchedule(ctx, args[0])
			if err != nil {
				return scheduleError(err, nil)
			}
			if err := confirm(ctx, w, *yes, fmt.Sprintf("This starts the ticks of schedule %q of hub %q from %s to %s. Go on", s.Name, hub.Name(), formatTime(from.value), formatTime(to.value))); err != nil {
				return err
			}
			n, err := hub.Client().BackfillSchedule(ctx, s.Name, from.value, to.value, runOptions(overlap.value)...)
			if err != nil {
				return scheduleError(err, map[string]string{"From": "from", "To": "to", "Overlap": "overlap"})
			}
			_, err = fmt.Fprintf(w.out, "%d %s of schedule %q will be started.\n", n, ticksWord(n), s.Name)
			return err
		})
	}
	return cmd
}

func ticksWord(n int) string {
	if n == 1 {
		return "tick"
	}
	return "ticks"
}

func newScheduleDelete(w world, t *target) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "delete NAME",
		Aliases:           []string{"rm"},
		Short:             "Delete a schedule",
		Long:              `Delete a schedule with what waits in it. What was started runs on. A worker whose code declares the schedule creates it again when it starts.`,
		Example:           `  taskhub schedule delete nightly --yes`,
		Args:              arguments("NAME"),
		ValidArgsFunction: completeSchedules(t),
	}
	yes := addYes(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			s, err := hub.Client().GetSchedule(ctx, args[0])
			if err != nil {
				return scheduleError(err, nil)
			}
			if err := confirm(ctx, w, *yes, fmt.Sprintf("This deletes schedule %q of hub %q. Go on", s.Name, hub.Name())); err != nil {
				return err
			}
			if err := hub.Client().DeleteSchedule(ctx, s.Name); err != nil {
				return scheduleError(err, nil)
			}
			_, err = fmt.Fprintf(w.out, "Schedule %q was deleted.\n", s.Name)
			return err
		})
	}
	return cmd
}
