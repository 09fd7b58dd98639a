package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/taskhub"
)

// purgeOptions are the flags of purge-history.
type purgeOptions struct {
	filter      *filter
	all, dryRun bool
	yes         *bool
	output      *choice
}

func newPurgeHistory(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "purge-history",
		Short: "Delete finished instances",
		Long: `Delete all that is stored of the finished instances that are meant. Instances that have not finished are never touched, nor
are entities. It cannot be undone.

On a terminal it says how many instances these are and asks; --dry-run only counts. A purge that was cut short goes on when
the command is run again.`,
		Example: `  taskhub purge-history --older-than 30d --dry-run
  taskhub purge-history --older-than 30d --status Completed --yes`,
		Args:              arguments(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	t := addTarget(cmd, w)
	o := purgeOptions{filter: addFilter(cmd, w, finalStatuses())}
	cmd.Flags().BoolVar(&o.all, "all", false, "all that have finished, without any condition")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "count them, and delete nothing")
	o.yes = addYes(cmd)
	o.output = addFormat(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := o.check(cmd); err != nil {
			return err
		}
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error { return o.run(ctx, w, hub) })
	}
	return cmd
}

func (o *purgeOptions) check(cmd *cobra.Command) error {
	switch {
	case !o.filter.any() && !o.all:
		return usage(errors.New("nothing says which instances are meant: give --created-before, --created-after, --status, --prefix, --name or --tag, or --all for every instance that has finished"))
	case o.filter.any() && o.all:
		return usage(errors.New("--all is given beside conditions: leave one or the other out"))
	}
	return o.filter.check(cmd)
}

// meant says in words what is to be purged.
func (o *purgeOptions) meant() string {
	if o.all {
		return ""
	}
	return " " + o.filter.String()
}

func (o *purgeOptions) run(ctx context.Context, w world, hub *taskhub.Hub) error {
	total := 0
	if o.dryRun || w.drawing(w.err) || w.person() && !*o.yes {
		counts, err := o.count(ctx, hub)
		if err != nil {
			return err
		}
		for _, n := range counts {
			total += n
		}
		if o.dryRun {
			return o.showDryRun(w, hub, total, counts)
		}
	}
	if total > 0 {
		question := fmt.Sprintf("This purges %s of hub %q%s, and cannot be undone. Go on", count(total, "finished instance"), hub.Name(), o.meant())
		if err := confirm(ctx, w, *o.yes, question); err != nil {
			return err
		}
	}
	return o.purge(ctx, w, hub, total)
}

// count counts what would be purged.
func (o *purgeOptions) count(ctx context.Context, hub *taskhub.Hub) (map[history.Status]int, error) {
	query := o.filter.query()
	if len(query.Statuses) == 0 {
		query.Statuses = finalStatuses()
	}
	return hub.Client().Count(ctx, query)
}

// dryRunJSON is what would be purged, as -o json shows it.
type dryRunJSON struct {
	Hub       string         `json:"hub"`
	DryRun    bool           `json:"dryRun"`
	Instances int            `json:"instances"`
	ByStatus  map[string]int `json:"byStatus"`
}

func (o *purgeOptions) showDryRun(w world, hub *taskhub.Hub, total int, counts map[history.Status]int) error {
	if o.output.value == formatJSON {
		by := make(map[string]int)
		for _, status := range finalStatuses() {
			by[status.String()] = counts[status]
		}
		return writeJSON(w.out, dryRunJSON{hub.Name(), true, total, by})
	}
	var parts []string
	for _, status := range finalStatuses() {
		if counts[status] > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", thousands(counts[status]), status))
		}
	}
	text := fmt.Sprintf("Would purge %s of hub %q%s", counted(total, "finished instance"), hub.Name(), clean(o.meant()))
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	_, err := fmt.Fprintln(w.out, text+". Nothing was deleted.")
	return err
}

// counted is count with commas in large numbers.
func counted(n int, thing string) string {
	text := count(n, thing)
	return thousands(n) + strings.TrimLeft(text, "0123456789")
}

func (o *purgeOptions) purge(ctx context.Context, w world, hub *taskhub.Hub, total int) error {
	f := o.filter
	line := newProgress(w, "Purging", "instance", total)
	done, err := hub.Client().PurgeAll(ctx, taskhub.PurgeFilter{
		IDPrefix: f.prefix, Statuses: f.statuses.values, Name: f.name, Tags: f.tags.values, CreatedFrom: f.from.value, CreatedTo: f.to.value,
		Progress: func(p taskhub.PurgeProgress) { line.set(p.Instances, "") },
	})
	line.end()
	switch {
	case ctx.Err() != nil:
		return withStatus(exitInterrupted, fmt.Errorf("interrupted; %s purged, the rest is as it was", were(done.Instances)))
	case err != nil:
		return err
	case o.output.value == formatJSON:
		return writeJSON(w.out, purgedJSON{hub.Name(), done.Instances, done.Rows})
	}
	text := fmt.Sprintf("Purged %s of hub %q, with %s of their histories", counted(done.Instances, "instance"), hub.Name(), counted(done.Rows, "row"))
	if done.Skipped > 0 {
		text += fmt.Sprintf("; %s started anew meanwhile and stay", counted(done.Skipped, "instance"))
	}
	_, err = fmt.Fprintln(w.out, text+".")
	return err
}

// were is "1 instance was" or "5 instances were".
func were(n int) string {
	if n == 1 {
		return "1 instance was"
	}
	return counted(n, "instance") + " were"
}
