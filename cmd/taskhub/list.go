package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/taskhub"
)

// listOptions are the flags of list.
type listOptions struct {
	filter          *filter
	input, outputs  bool
	entities        bool
	limit           int
	token           string
	format          *choice
	watch           *watching
	limited, tokens bool // the flags are given
}

func newList(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List instances",
		Long: `List the instances of a task hub, in the order of their ids.

Conditions are joined with "and". Memory use does not depend on the number of instances.`,
		Example: `  taskhub list --status Running,Pending
  taskhub list --status Failed --since 2h -o json
  taskhub list --prefix order- --limit 100`,
		Args:              arguments(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	t := addTarget(cmd, w)
	o := listOptions{filter: addFilter(cmd, w, allStatuses())}
	cmd.Flags().BoolVar(&o.input, "show-input", false, "with inputs")
	cmd.Flags().BoolVar(&o.outputs, "show-output", false, "with outputs")
	cmd.Flags().BoolVar(&o.entities, "entities", false, "with entities, whose ids begin with @")
	cmd.Flags().IntVar(&o.limit, "limit", 0, "how many to list at most (default: all)")
	cmd.Flags().StringVar(&o.token, "token", "", "where to go on, as an earlier --limit has said")
	o.format = addFormat(cmd)
	o.watch = addWatch(cmd, "Ctrl-C")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := o.check(cmd); err != nil {
			return err
		}
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			return o.watch.repeat(ctx, w, true, func(w world) (bool, error) { return false, o.list(ctx, w, hub) })
		})
	}
	return cmd
}

func (o *listOptions) check(cmd *cobra.Command) error {
	o.limited, o.tokens = cmd.Flags().Changed("limit"), cmd.Flags().Changed("token")
	switch {
	case o.limited && o.limit < 1:
		return usage(fmt.Errorf("--limit is %d: give how many instances to list, or leave it out for all", o.limit))
	case o.tokens && o.token == "":
		return usage(fmt.Errorf("--token %w", errEmptyValue))
	}
	return firstError(o.filter.check(cmd), usage(o.watch.check(cmd)), oneOf(cmd, "watch", "token", "a listing that repeats itself begins at the first instance"))
}

func (f *filter) query() taskhub.Query {
	return taskhub.Query{
		IDPrefix: f.prefix, Statuses: f.statuses.values, Name: f.name, Tags: f.tags.values, CreatedFrom: f.from.value, CreatedTo: f.to.value,
	}
}

// listPage is how many instances are asked for at a time.
const listPage = 1000

// list shows the instances page by page.
func (o *listOptions) list(ctx context.Context, w world, hub *taskhub.Hub) error {
	query := o.filter.query()
	query.IncludeEntities, query.Inputs, query.Outputs = o.entities, o.input, o.outputs
	show := o.writer(w)
	token, left := o.token, o.limit
	for first := true; first || token != "" && (left > 0 || !o.limited); first = false {
		query.PageSize = listPage
		if o.limited {
			query.PageSize = min(left, listPage)
		}
		page, err := hub.Client().QueryPage(ctx, query, token)
		if err != nil {
			return flaggedToken(err)
		}
		for _, in := range page.Instances {
			if err := show.add(in); err != nil {
				return err
			}
		}
		token, left = page.Next, left-len(page.Instances)
	}
	if err := show.end(); err != nil {
		return err
	}
	return o.remark(w, hub, show.count, token)
}

// remark says on the side that there is nothing, or more.
func (o *listOptions) remark(w world, hub *taskhub.Hub, count int, token string) (err error) {
	switch {
	case token != "":
		_, err = fmt.Fprintf(w.err, "There may be more. Go on with --token %s\n", token)
	case count == 0 && o.format.value != formatJSON && o.filter.any():
		_, err = fmt.Fprintf(w.err, "No instance of hub %q is meant: it has none %s.\n", hub.Name(), clean(o.filter.String()))
	case count == 0 && o.format.value != formatJSON:
		_, err = fmt.Fprintf(w.err, "Hub %q has no instances.\n", hub.Name())
	}
	return err
}

// flaggedToken names the flag of a token that cannot be used.
func flaggedToken(err error) error {
	if token := new(taskhub.InvalidTokenError); errors.As(err, &token) {
		return usage(fmt.Errorf("--token: %w", token))
	}
	return err
}

// listWriter writes instances in one of the forms.
type listWriter struct {
	array  *jsonArray // nil for tables
	table  *table
	values shown
	wide   bool
	world  world
	count  int
}

func (o *listOptions) writer(w world) *listWriter {
	lw := &listWriter{values: shown{o.input, o.outputs}, world: w, wide: o.format.value == formatWide}
	if o.format.value == formatJSON {
		lw.array = &jsonArray{w: w.out}
		return lw
	}
	columns := []column{
		{title: "INSTANCE"}, {title: "ORCHESTRATOR"}, {title: "STATUS", paint: paintStatus}, {title: "CREATED"}, {title: "UPDATED"},
		{title: "TOOK", wide: true}, {title: "VERSION", wide: true}, {title: "GENERATION", wide: true}, {title: "EXECUTION", wide: true}, {title: "CUSTOM STATUS", wide: true},
	}
	if o.input {
		columns = append(columns, column{title: "INPUT"})
	}
	if o.outputs {
		columns = append(columns, column{title: "OUTPUT"})
	}
	lw.table = newTable(w, o.format.value, columns...)
	return lw
}

func (lw *listWriter) add(in *taskhub.Instance) error {
	lw.count++
	if lw.array != nil {
		return lw.array.add(newInstanceJSON(&in.Instance, in.Problem, lw.values))
	}
	took := ""
	if in.Status.IsTerminal() {
		took = ran(&in.Instance, lw.world.now())
	}
	cells := []string{
		in.InstanceID, in.Name, statusName(in.Status), formatTime(in.CreatedAt), formatTime(in.LastUpdatedAt),
		took, in.Version, strconv.Itoa(int(in.Generation)), in.ExecutionID, lw.value(in.CustomStatus),
	}
	if lw.values.input {
		cells = append(cells, lw.value(in.Input))
	}
	if lw.values.output {
		cells = append(cells, lw.value(in.Output))
	}
	return lw.table.add(cells...)
}

// value is a stored value for a cell.
func (lw *listWriter) value(text *string) string {
	const longest = 60
	switch {
	case text == nil:
		return ""
	case lw.wide:
		return shorten(*text, longestValue)
	}
	return shorten(*text, longest)
}

func (lw *listWriter) end() error {
	switch {
	case lw.array != nil:
		return lw.array.end()
	case lw.count == 0:
		return nil
	}
	return lw.table.end()
}
