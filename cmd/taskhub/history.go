package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/taskhub"
)

func newHistory(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "history ID",
		Short: "Show the events of an instance",
		Long: `Show the events of an instance's present execution, oldest first, with all large values.

In the table the number of a task, timer or child stands with its decision and with its answer. -o json is the form of .NET's
GetOrchestrationHistoryAsync, which package durabletest replays.`,
		Example: `  taskhub history order-42
  taskhub history order-42 -o json > order-42.json`,
		Args: upTo(1),
	}
	t := addTarget(cmd, w)
	cmd.ValidArgsFunction = completeIDs(t)
	id := addID(cmd)
	output := addFormat(cmd)
	alias(cmd, idNames)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := fill(cmd, args, id); err != nil {
			return err
		}
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			if output.value == formatJSON {
				return writeEvents(ctx, w, hub, id.text)
			}
			return showHistory(ctx, w, hub, id.text, output.value)
		})
	}
	return cmd
}

// writeEvents writes a history as .NET exports it, page by page.
func writeEvents(ctx context.Context, w world, hub *taskhub.Hub, id string) error {
	array := jsonArray{w: w.out}
	for token, first := "", true; first || token != ""; first = false {
		page, err := hub.Client().HistoryPage(ctx, id, token, 0)
		if err != nil {
			return err
		}
		text, err := history.MarshalExport(page.Events)
		if err != nil {
			return fmt.Errorf("instance %q: %w", id, err)
		}
		var events []json.RawMessage
		if err := json.Unmarshal(text, &events); err != nil {
			return fmt.Errorf("instance %q: %w", id, err)
		}
		for _, event := range events {
			if err := array.add(event); err != nil {
				return err
			}
		}
		token = page.Next
	}
	return array.end()
}

// showHistory shows a history as a table.
func showHistory(ctx context.Context, w world, hub *taskhub.Hub, id, format string) error {
	events := newTable(w, format, column{title: "#"}, column{title: "TIME"}, column{title: "EVENT", paint: paintEvent},
		column{title: "TASK"}, column{title: "NAME"}, column{title: "DETAIL"})
	longest := 80
	if format == formatWide {
		longest = longestValue
	}
	open := make(map[int32]string) // names of what has no answer yet
	n := 0
	for event, err := range hub.Client().Events(ctx, id) {
		if err != nil {
			return err
		}
		d := detail(event)
		task := ""
		if d.task >= 0 {
			task = fmt.Sprint(d.task)
		}
		if d.answer {
			d.name = open[d.task]
			delete(open, d.task)
		} else if d.task >= 0 && d.name != "" {
			open[d.task] = d.name
		}
		at := event.Common().Timestamp
		if err := events.add(fmt.Sprint(n), at.UTC().Format("2006-01-02 15:04:05.000Z"), event.Kind().String(), task, d.name, shorten(d.text, longest)); err != nil {
			return err
		}
		n++
	}
	if n == 0 {
		_, err := fmt.Fprintf(w.err, "Instance %q has not started yet: it has no history.\n", id)
		return err
	}
	return events.end()
}

// paintEvent colours events that say that something failed.
func paintEvent(kind string) string {
	switch kind {
	case "TaskFailed", "SubOrchestrationInstanceFailed", "ExecutionTerminated":
		return colourRed + kind + colourOff
	case "OrchestratorStarted", "OrchestratorCompleted":
		return colourGrey + kind + colourOff
	}
	return kind
}

// eventDetail is what a line of a history says besides kind and time.
type eventDetail struct {
	task   int32 // number of a decision, -1 for none
	answer bool  // it answers the decision with that number
	name   string
	text   string
}

// detail says what is worth knowing of an event.
func detail(event history.Event) eventDetail {
	d := eventDetail{task: event.Common().EventID}
	if id, ok := history.Answers(event); ok {
		d.task, d.answer = id, true
	}
	switch e := event.(type) {
	case *history.ExecutionStarted:
		d.name, d.text = e.Name, orNone(e.Input)
	case *history.ExecutionCompleted:
		d.name, d.text = e.Status.String(), failed(e.Failure, e.Result)
	case *history.ExecutionTerminated:
		d.text = orNone(e.Input)
	case *history.ExecutionSuspended:
		d.text = orNone(e.Reason)
	case *history.ExecutionResumed:
		d.text = orNone(e.Reason)
	case *history.ExecutionRewound:
		d.text = orNone(e.Reason)
	case *history.EventSent:
		d.name, d.text = e.Name, "to "+orNone(e.InstanceID)+" "+orNone(e.Input)
	case *history.EventRaised:
		d.name, d.text = e.Name, orNone(e.Input)
	case *history.GenericEvent:
		d.text = orNone(e.Data)
		if e.RewindReason != nil {
			d.text = *e.RewindReason
		}
	default:
		d.name, d.text = workDetail(event)
	}
	return d
}

// workDetail is about tasks, timers and children.
func workDetail(event history.Event) (name, text string) {
	switch e := event.(type) {
	case *history.TaskScheduled:
		return e.Name, orNone(e.Input)
	case *history.TaskCompleted:
		return "", orNone(e.Result)
	case *history.TaskFailed:
		return "", failed(e.Failure, e.Reason)
	case *history.SubOrchestrationCreated:
		return e.Name, "instance " + orNone(e.InstanceID)
	case *history.SubOrchestrationCompleted:
		return "", orNone(e.Result)
	case *history.SubOrchestrationFailed:
		return "", failed(e.Failure, e.Reason)
	case *history.TimerCreated:
		return "", "due " + formatTime(e.FireAt)
	case *history.TimerFired:
		return "", "was due " + formatTime(e.FireAt)
	}
	return "", ""
}

// failed is an error's text, in the form that is known.
func failed(f *history.FailureDetails, text *string) string {
	if f == nil {
		return orNone(text)
	}
	return f.ErrorType + ": " + f.ErrorMessage
}

func orNone(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
