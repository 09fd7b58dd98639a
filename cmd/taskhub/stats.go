package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/tables"
	"github.com/go-taskhub/taskhub/taskhub"
)

func newStats(w world) *cobra.Command {
	var entities bool
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Count instances by their status",
		Long:  "Count the instances of a task hub by their status, without reading inputs or outputs.",
		Example: `  taskhub stats
  taskhub stats --name Checkout --since 24h
  taskhub stats --watch`,
		Args:              arguments(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	t := addTarget(cmd, w)
	f := addFilter(cmd, w, allStatuses())
	cmd.Flags().BoolVar(&entities, "entities", false, "with entities, whose ids begin with @")
	output := addFormat(cmd)
	watch := addWatch(cmd, "Ctrl-C")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := firstError(f.check(cmd), usage(watch.check(cmd))); err != nil {
			return err
		}
		query := f.query()
		query.IncludeEntities = entities
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			return watch.repeat(ctx, w, true, func(w world) (bool, error) {
				counts, err := countWith(ctx, w, hub, query)
				if err != nil {
					return false, err
				}
				return false, showStats(w, hub, output.value, counts)
			})
		})
	}
	return cmd
}

// countWith counts, and shows that it is at work.
func countWith(ctx context.Context, w world, hub *taskhub.Hub, query taskhub.Query) (map[history.Status]int, error) {
	line := newProgress(w, "Counting", "", 0)
	defer line.end()
	return hub.Client().Count(ctx, query)
}

// statsJSON is what stats -o json shows. Every status is there.
type statsJSON struct {
	Hub      string         `json:"hub"`
	Total    int            `json:"total"`
	ByStatus map[string]int `json:"byStatus"`
}

func showStats(w world, hub *taskhub.Hub, format string, counts map[history.Status]int) error {
	total := 0
	for _, n := range counts {
		total += n
	}
	if format == formatJSON {
		view := statsJSON{hub.Name(), total, make(map[string]int)}
		for _, status := range allStatuses() {
			view.ByStatus[status.String()] = counts[status]
		}
		if n := counts[tables.StatusUnknown]; n > 0 {
			view.ByStatus[statusName(tables.StatusUnknown)] = n
		}
		return writeJSON(w.out, view)
	}
	list := newTable(w, format, column{title: "STATUS", paint: paintStatus}, column{title: "INSTANCES"}, column{title: "SHARE", wide: true})
	for _, status := range append(allStatuses(), tables.StatusUnknown) {
		n := counts[status]
		if n == 0 && (format != formatWide || status == tables.StatusUnknown) {
			continue
		}
		if err := list.add(statusName(status), strconv.Itoa(n), share(n, total)); err != nil {
			return err
		}
	}
	if err := list.add("Total", strconv.Itoa(total), share(total, total)); err != nil {
		return err
	}
	return list.end()
}

func share(n, total int) string {
	const percent = 100
	if total == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f%%", percent*float64(n)/float64(total))
}
