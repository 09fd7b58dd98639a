package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/taskhub"
)

func newRaise(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "raise ID EVENT",
		Short: "Send an event to an instance",
		Long: `Send an event to an instance that has not finished. One that has not started yet gets it when it does. The orchestrator
compares names without regard to case.`,
		Example: `  taskhub raise order-42 Approved --data '{"by":"ada"}'
  taskhub raise --id order-42 --event Approved --data @approval.json`,
		Args: upTo(2),
	}
	t := addTarget(cmd, w)
	cmd.ValidArgsFunction = completeIDs(t)
	id := addID(cmd)
	event := addNamed(cmd, "EVENT", "event", "`name` of the event, in place of the argument EVENT")
	data := addPayload(cmd, w, "data", "the event's payload")
	output := addFormat(cmd)
	alias(cmd, map[string]string{
		"instance-id": "id", "workflow-id": "id", "event-name": "event", "name": "event", "event-data": "data", "input": "data",
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := fill(cmd, args, id, event); err != nil {
			return err
		}
		text, err := data.read(cmd)
		if err != nil {
			return err
		}
		return t.run(cmd, func(ctx context.Context, hub *taskhub.Hub) error {
			if err := hub.Client().RaiseEventText(ctx, id.text, event.text, text); err != nil {
				return flagged(err, map[string]string{"event name": "event"})
			}
			return say(w, hub, output.value, id.text, "raise", fmt.Sprintf("Event %q is sent to instance %q.", event.text, id.text), 1)
		})
	}
	return cmd
}
