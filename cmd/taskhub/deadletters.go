package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/taskhub"
)

// newDeadLetters is the group of commands about messages that were tried in vain too often.
func newDeadLetters(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "dead-letters",
		Aliases: []string{"dead-letter", "dlq"},
		Short:   "List, show, replay and drop messages that were tried in vain too often",
		Long: `List, show, replay and drop dead letters: messages that workers have tried in vain twenty times, because they cannot be
understood, or because every attempt at them fails or ends with the worker's process. The instance of a dead letter has failed
with a text that names it. Messages that only wait for a worker which hosts their orchestrator or activity do not become dead
letters.`,
	}
	t := addTarget(cmd, w)
	group(cmd, newLetterList(w, t), newLetterShow(w, t), newLetterReplay(w, t), newLetterDrop(w, t))
	return cmd
}

// letterJSON is a dead letter as -o json shows it.
type letterJSON struct {
	ID           string  `json:"id"`
	InstanceID   string  `json:"instanceId"`
	ExecutionID  string  `json:"executionId"`
	Event        string  `json:"event"`
	Name         string  `json:"name"`
	Reason       string  `json:"reason"`
	Attempts     int     `json:"attempts"`
	Deliveries   int64   `json:"deliveries"`
	Queue        string  `json:"queue"`
	MessageID    string  `json:"messageId"`
	InsertedTime *string `json:"insertedTime"`
	DiedTime     *string `json:"diedTime"`
	Worker       string  `json:"worker"`
	Body         *string `json:"body,omitempty"` // of show
}

func newLetterJSON(l *taskhub.DeadLetter) letterJSON {
	view := letterJSON{
		ID: l.ID, InstanceID: l.InstanceID, ExecutionID: l.ExecutionID, Event: l.Kind, Name: l.Name, Reason: l.Reason, Attempts: l.Attempts,
		Deliveries: l.Deliveries, Queue: l.Queue, MessageID: l.MessageID, InsertedTime: jsonTime(l.InsertedAt), DiedTime: jsonTime(l.DiedAt), Worker: l.Worker,
	}
	if l.Body != "" {
		view.Body = &l.Body
	}
	return view
}

func newLetterList(w world, t *target) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List dead letters",
		Example: `  taskhub dead-letters list
  taskhub dead-letters list --instance order-42 -o json`,
		Args:              arguments(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	var query taskhub.DeadLetterQuery
	cmd.Flags().StringVar(&query.InstanceID, "instance", "", "only those for the instance with this `id`")
	format := addFormat(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			if err := requireHub(ctx, hub); err != nil {
				return err
			}
			return listLetters(ctx, w, hub, query, format.value)
		})
	}
	return cmd
}

// longestReason is how much of a reason, or of another text from a message, a table shows.
const longestReason = 80

func listLetters(ctx context.Context, w world, hub *taskhub.Hub, query taskhub.DeadLetterQuery, format string) error {
	array := &jsonArray{w: w.out}
	table := newTable(w, format, column{title: "DEAD LETTER"}, column{title: "INSTANCE"}, column{title: "EVENT"}, column{title: "NAME"}, column{title: "DIED"},
		column{title: "ATTEMPTS", wide: true}, column{title: "QUEUE", wide: true}, column{title: "WORKER", wide: true}, column{title: "REASON"})
	count := 0
	for l, err := range hub.Client().DeadLetters(ctx, query) {
		if err != nil {
			return err
		}
		count++
		if format == formatJSON {
			err = array.add(newLetterJSON(l))
		} else {
			instance, name, reason := l.InstanceID, l.Name, l.Reason
			if format != formatWide { // what a message says of itself may be anything
				instance, name, reason = shorten(instance, longestReason), shorten(name, longestReason), shorten(reason, longestReason)
			}
			err = table.add(l.ID, instance, l.Kind, name, formatTime(l.DiedAt), strconv.Itoa(l.Attempts), l.Queue, l.Worker, reason)
		}
		if err != nil {
			return err
		}
	}
	switch {
	case format == formatJSON:
		return array.end()
	case count == 0:
		_, err := fmt.Fprintf(w.err, "Hub %q has no dead letters%s.\n", hub.Name(), forInstance(query.InstanceID))
		return err
	}
	return table.end()
}

func forInstance(id string) string {
	if id == "" {
		return ""
	}
	return " for instance " + strconv.Quote(id)
}

func newLetterShow(w world, t *target) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "show ID",
		Short:             "Show a dead letter with its message",
		Example:           `  taskhub dead-letters show 20260601T120000Z-5406d369-4369-4673-afae-6671a2fa1e57`,
		Args:              arguments("ID"),
		ValidArgsFunction: completeLetters(t),
	}
	format := addOutput(cmd, formatText)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			if err := requireHub(ctx, hub); err != nil {
				return err
			}
			l, err := hub.Client().DeadLetter(ctx, args[0])
			if err != nil {
				return letterError(err)
			}
			if format.value == formatJSON {
				return writeJSON(w.out, newLetterJSON(l))
			}
			_, err = fmt.Fprint(w.out, describeLetter(l, w.now()))
			return err
		})
	}
	return cmd
}

func describeLetter(l *taskhub.DeadLetter, now time.Time) string {
	var text strings.Builder
	line := func(title, value string) {
		if value != "" {
			fmt.Fprintf(&text, "%-12s %s\n", title, clean(value))
		}
	}
	at := func(title string, when time.Time) {
		if !when.IsZero() {
			line(title, formatTime(when)+" "+relative(when, now))
		}
	}
	line("Dead letter", l.ID)
	line("Instance", l.InstanceID)
	line("Execution", l.ExecutionID)
	line("Event", l.Kind)
	line("Name", l.Name)
	line("Reason", l.Reason)
	line("Attempts", strconv.Itoa(l.Attempts))
	line("Deliveries", strconv.FormatInt(l.Deliveries, 10))
	line("Queue", l.Queue)
	at("Put", l.InsertedAt)
	at("Died", l.DiedAt)
	line("Worker", l.Worker)
	line("Message", l.Body)
	return text.String()
}

func newLetterReplay(w world, t *target) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "replay ID...",
		Short: "Let messages be tried again, once the cause of their failure is mended",
		Long: `Let messages be tried again, once the cause of their failure is mended. An instance that failed because of the dead letter
is rewound, with the parents that failed because of that; the message goes back to its queue, and the dead letter is deleted.`,
		Example: `  taskhub dead-letters replay 20260601T120000Z-5406d369-4369-4673-afae-6671a2fa1e57
  taskhub dead-letters replay --all --instance order-42`,
		ValidArgsFunction: completeLetters(t),
	}
	return letterCommand(w, t, cmd, "replay", "replayed", (*taskhub.Client).ReplayDeadLetter)
}

func newLetterDrop(w world, t *target) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "drop ID...",
		Short: "Delete dead letters for good",
		Long:  `Delete dead letters for good. Their instances stay as they are.`,
		Example: `  taskhub dead-letters drop 20260601T120000Z-5406d369-4369-4673-afae-6671a2fa1e57
  taskhub dead-letters drop --all --yes`,
		ValidArgsFunction: completeLetters(t),
	}
	return letterCommand(w, t, cmd, "drop", "dropped", (*taskhub.Client).DropDeadLetter)
}

// letterCommand completes a command that does something to the dead letters given, or to all.
func letterCommand(w world, t *target, cmd *cobra.Command, verb, done string, do func(*taskhub.Client, context.Context, string) error) *cobra.Command {
	all, instance := false, ""
	cmd.Flags().BoolVar(&all, "all", false, "all dead letters")
	cmd.Flags().StringVar(&instance, "instance", "", "with --all: only those for the instance with this `id`")
	yes := addYes(cmd)
	cmd.Args = func(_ *cobra.Command, args []string) error {
		switch {
		case all && len(args) > 0:
			return errors.New("give ids or --all, not both")
		case !all && len(args) == 0:
			return errors.New("ID is missing: give the id of a dead letter, or --all")
		case !all && instance != "":
			return errors.New("--instance goes with --all")
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			if err := requireHub(ctx, hub); err != nil {
				return err
			}
			ids := args
			if all {
				for l, err := range hub.Client().DeadLetters(ctx, taskhub.DeadLetterQuery{InstanceID: instance}) {
					if err != nil {
						return err
					}
					ids = append(ids, l.ID)
				}
				if len(ids) == 0 {
					_, err := fmt.Fprintf(w.err, "Hub %q has no dead letters%s.\n", hub.Name(), forInstance(instance))
					return err
				}
			}
			question := fmt.Sprintf("This will %s %s of hub %q. Go on", verb, countLetters(len(ids)), hub.Name())
			if err := confirm(ctx, w, *yes, question); err != nil {
				return err
			}
			n, err := eachLetter(ctx, w, ids, all, func(id string) error { return do(hub.Client(), ctx, id) })
			if err != nil {
				if len(ids) > 1 {
					err = fmt.Errorf("%w (%d of %d are %s)", err, n, len(ids), done)
				}
				return letterError(err)
			}
			_, err = fmt.Fprintf(w.out, "%s %s.\n", countLetters(n), done)
			return err
		})
	}
	return cmd
}

// eachLetter does something to dead letters, and says to how many. One that it cannot be done to is no reason to leave the others; the
// last error is returned, and those before it are printed. With gone it is well if somebody else was faster.
func eachLetter(ctx context.Context, w world, ids []string, gone bool, do func(id string) error) (n int, failure error) {
	for _, id := range ids {
		err := do(id)
		switch {
		case err == nil:
			n++
		case gone && errors.Is(err, taskhub.ErrDeadLetterNotFound):
		case ctx.Err() != nil:
			return n, err
		default:
			if failure != nil {
				fmt.Fprintf(w.err, "taskhub: %s\n", oneLine(redact(failure.Error())))
			}
			failure = err
		}
	}
	return n, failure
}

func countLetters(n int) string {
	if n == 1 {
		return "1 dead letter"
	}
	return strconv.Itoa(n) + " dead letters"
}

func letterError(err error) error {
	if errors.Is(err, taskhub.ErrDeadLetterNotFound) {
		return notFound(err)
	}
	return err
}

// completeLetters gives the shell ids of dead letters. What fails is no matter.
func completeLetters(t *target) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, start string) (ids []cobra.Completion, _ cobra.ShellCompDirective) {
		const patience, most = 3 * time.Second, 50
		ctx, cancel := context.WithTimeout(cmp.Or(cmd.Context(), context.Background()), patience)
		defer cancel()
		cmd.SetContext(ctx)
		_ = t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			page, err := hub.Client().DeadLetterPage(ctx, taskhub.DeadLetterQuery{PageSize: most}, "")
			if err != nil {
				return err
			}
			for _, l := range page.Letters {
				if strings.HasPrefix(l.ID, start) {
					ids = append(ids, cobra.CompletionWithDesc(l.ID, clean(l.InstanceID+" "+l.Kind)))
				}
			}
			return nil
		})
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
}
