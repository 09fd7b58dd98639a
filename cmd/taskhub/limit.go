package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/taskhub"
)

// newLimit is the group of commands about limits.
func newLimit(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "limit",
		Aliases: []string{"limits"},
		Short:   "List, show and change limits of activities",
		Long: `List, show and change the limits of activities: how many may begin in a span of time, or run at a time, in the whole hub.
Limits are declared in code, and known once a worker has started. What is set here holds in place of what the code says.`,
	}
	t := addTarget(cmd, w)
	group(cmd, newLimitList(w, t), newLimitShow(w, t), newLimitSet(w, t), newLimitDelete(w, t))
	return cmd
}

// limitFlags are the flags that fields of a limit are given with.
var limitFlags = map[string]string{"Count": "count", "Per": "per", "Burst": "burst", "Max": "max"}

// limitError puts the flag in front of an error about a definition, and gives errors their exit status.
func limitError(err error) error {
	invalid := new(durable.LimitError)
	switch {
	case errors.As(err, &invalid) && limitFlags[invalid.Field] != "":
		return usage(fmt.Errorf("--%s %s", limitFlags[invalid.Field], invalid.Reason))
	case errors.As(err, &invalid):
		return usage(err)
	case errors.Is(err, taskhub.ErrLimitNotFound):
		return notFound(err)
	case errors.Is(err, taskhub.ErrLimitNotSet):
		return withStatus(exitState, fmt.Errorf("%w; add --all to delete the limit with what is known of its use", err))
	}
	return err
}

// completeLimits gives the shell names of limits.
func completeLimits(t *target) cobra.CompletionFunc {
	return completeFrom(t, func(ctx context.Context, c *taskhub.Client, _ string, add func(name, description string)) error {
		list, err := c.Limits(ctx)
		for _, l := range list {
			add(l.Declared.Name, l.Spec().String())
		}
		return err
	})
}

func newLimitList(w world, t *target) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "list",
		Aliases:           []string{"ls"},
		Short:             "List limits, what of them is used, and what waits",
		Example:           `  taskhub limit list -o wide`,
		Args:              arguments(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	format := addFormat(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			if err := requireHub(ctx, hub); err != nil {
				return err
			}
			list, err := hub.Client().Limits(ctx)
			if err != nil {
				return err
			}
			return writeLimits(w, hub, list, format.value)
		})
	}
	return cmd
}

func writeLimits(w world, hub *taskhub.Hub, list []*taskhub.Limit, format string) error {
	if format == formatJSON {
		return writeArray(w.out, list, newLimitJSON)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintf(w.err, "Hub %q has no limits: they are declared in code, and known once a worker has started.\n", hub.Name())
		return err
	}
	table := newTable(w, format, column{title: "LIMIT"}, column{title: "ALLOWED"}, column{title: "KEY"}, column{title: "USED"}, column{title: "LEFT"}, column{title: "NEXT"}, column{title: "WAITING"},
		column{title: "WORKERS", wide: true}, column{title: "DECLARED", wide: true})
	for _, l := range list {
		for _, u := range usesOf(l) {
			calls, workers := waitingText(u)
			err := table.add(l.Declared.Name, allowedText(l), u.Key, strconv.Itoa(u.Used), strconv.Itoa(u.Left), formatTime(u.Next), strconv.Itoa(calls), workers, l.Declared.String())
			if err != nil {
				return err
			}
		}
	}
	return table.end()
}

// usesOf are the keys to show of a limit; one at least.
func usesOf(l *taskhub.Limit) []taskhub.LimitUse {
	if len(l.Uses) > 0 {
		return l.Uses
	}
	spec := l.Spec()
	return []taskhub.LimitUse{{Left: cmp.Or(spec.Max, spec.Burst)}}
}

func allowedText(l *taskhub.Limit) string {
	switch {
	case l.Problem != "":
		return "damaged"
	case l.Set != nil:
		return l.Set.String() + " (set)"
	}
	return l.Declared.String()
}

// waitingText says how many attempts wait, and where.
func waitingText(u taskhub.LimitUse) (calls int, workers string) {
	list := make([]string, len(u.Waiting))
	for i, waits := range u.Waiting {
		calls += waits.Calls
		list[i] = fmt.Sprintf("%s: %d of %d instances", waits.Worker, waits.Calls, waits.Instances)
	}
	return calls, strings.Join(list, ", ")
}

func newLimitShow(w world, t *target) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "show NAME",
		Short:             "Show a limit, what of it is used, and what waits",
		Example:           `  taskhub limit show github`,
		Args:              arguments("NAME"),
		ValidArgsFunction: completeLimits(t),
	}
	format := addOutput(cmd, formatText)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			l, err := hub.Client().GetLimit(ctx, args[0])
			return shownLimit(w, l, err, format.value)
		})
	}
	return cmd
}

// shownLimit writes a limit.
func shownLimit(w world, l *taskhub.Limit, err error, format string) error {
	if err != nil {
		return limitError(err)
	}
	if format == formatJSON {
		return writeJSON(w.out, newLimitJSON(l))
	}
	_, err = fmt.Fprint(w.out, describeLimit(l, w.now()))
	return err
}

func newLimitSet(w world, t *target) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Let something else hold in place of what the code says",
		Long: `Let something else hold in place of what the code says about a limit, until "taskhub limit delete". Running workers heed it within half
a minute. A rate takes --count and --per, and --burst if not all may begin at once; a limit of concurrency takes --max.`,
		Example: `  taskhub limit set github --count 1000 --per 1h --burst 50
  taskhub limit set database --max 4`,
		Args:              arguments("NAME"),
		ValidArgsFunction: completeLimits(t),
	}
	flags := cmd.Flags()
	count := flags.Int("count", 0, "how `many` may begin in the span")
	per := &duration{}
	flags.Var(per, "per", "the span")
	burst := flags.Int("burst", 0, "how `many` may begin at once (default all)")
	most := flags.Int("max", 0, "how `many` may run at a time")
	format := addOutput(cmd, formatText)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		isRate, isConcurrency := flags.Changed("count") || flags.Changed("per") || flags.Changed("burst"), flags.Changed("max")
		switch {
		case isRate && isConcurrency:
			return usage(errors.New("--max cannot be given with --count, --per or --burst: a limit is of one kind"))
		case !isRate && !isConcurrency:
			return usage(errors.New("--count and --per, or --max, are missing"))
		case flags.Changed("burst") && *burst == 0:
			return usage(errors.New("--burst is 0; give 1 at least, or leave it out"))
		}
		var limit durable.Limit = durable.ConcurrencyLimit{Name: args[0], Max: *most}
		if isRate {
			limit = durable.RateLimit{Name: args[0], Count: *count, Per: per.value, Burst: *burst}
		}
		if _, err := limit.Spec().Normalize(); err != nil {
			return limitError(err)
		}
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			l, err := hub.Client().SetLimit(ctx, limit)
			return shownLimit(w, l, err, format.value)
		})
	}
	return cmd
}

func newLimitDelete(w world, t *target) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "delete NAME",
		Aliases: []string{"rm", "reset"},
		Short:   "Remove what was set, so that the code's limit holds again",
		Long: `Remove what "taskhub limit set" has set, so that what the code says holds again. With --all the limit is deleted with all that is known
of its use: more may begin then than it allows, and workers whose code declares it create it again.`,
		Example: `  taskhub limit delete github --yes
  taskhub limit delete old-limit --all --yes`,
		Args:              arguments("NAME"),
		ValidArgsFunction: completeLimits(t),
	}
	all := cmd.Flags().Bool("all", false, "delete the limit, and what is known of its use")
	yes := addYes(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			l, err := hub.Client().GetLimit(ctx, args[0])
			if err != nil {
				return limitError(err)
			}
			name, question := l.Declared.Name, "This lets %s hold again for limit %q of hub %q. Go on"
			if question = fmt.Sprintf(question, l.Declared.String(), name, hub.Name()); *all {
				question = fmt.Sprintf("This deletes limit %q of hub %q and forgets what has begun under it. Go on", name, hub.Name())
			} else if l.Set == nil && l.Problem == "" {
				return limitError(&taskhub.LimitNotSetError{Hub: hub.Name(), Limit: name})
			}
			if err := confirm(ctx, w, *yes, question); err != nil {
				return err
			}
			if *all {
				err = hub.Client().DeleteLimit(ctx, name)
			} else {
				_, err = hub.Client().ResetLimit(ctx, name)
			}
			if err != nil {
				return limitError(err)
			}
			text := fmt.Sprintf("Limit %q is %s again.", name, l.Declared.String())
			if *all {
				text = fmt.Sprintf("Limit %q was deleted.", name)
			}
			_, err = fmt.Fprintln(w.out, clean(text))
			return err
		})
	}
	return cmd
}
