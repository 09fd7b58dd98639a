package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/go-taskhub/taskhub/taskhub"
)

// raiseEvent sends an event. An instance that cannot get it is reported before anything that is wrong with the event.
func (c *call) raiseEvent() error {
	payload, refused := c.eventPayload()
	if refused != nil {
		in, err := c.api.client.GetStatus(c.r.Context(), c.id)
		if err != nil {
			return err
		}
		if in.Status.IsTerminal() {
			return &taskhub.InstanceFinishedError{Hub: c.api.hub.Name(), InstanceID: c.id, Operation: "raise event", Status: in.Status}
		}
		return refused
	}
	if err := c.api.client.RaiseEventText(c.r.Context(), c.id, c.event, payload); err != nil {
		return err
	}
	c.answer(http.StatusAccepted)
	return nil
}

func (c *call) eventPayload() (*string, error) {
	text, err := c.body()
	if err != nil {
		return nil, err
	}
	if !c.saysJSON() {
		return nil, badRequest(messageContentType)
	}
	return jsonText(text)
}

func (c *call) terminate() error { return c.control(c.api.client.Terminate) }
func (c *call) suspend() error   { return c.control(c.api.client.Suspend) }
func (c *call) resume() error    { return c.control(c.api.client.Resume) }

// control does something to an instance that has not finished.
func (c *call) control(do func(ctx context.Context, instanceID, reason string) error) error {
	if err := do(c.r.Context(), c.id, c.query.get("reason")); err != nil {
		return err
	}
	c.answer(http.StatusAccepted)
	return nil
}

// rewind lets a failed instance go on.
func (c *call) rewind() error {
	err := c.api.client.Rewind(c.r.Context(), c.id, c.query.get("reason"))
	notFailed, _ := errors.AsType[*taskhub.InstanceNotFailedError](err)
	switch {
	case errors.Is(err, taskhub.ErrInstanceNotFound), errors.Is(err, taskhub.ErrHubNotFound):
		return &refusal{http.StatusNotFound, fmt.Sprintf("There is no instance %q", c.id)}
	case notFailed != nil:
		return &refusal{http.StatusPreconditionFailed, fmt.Sprintf("Instance %q is %s: only failed instances can be rewound", c.id, statusName(notFailed.Status))}
	case err != nil:
		return err
	}
	c.answer(http.StatusAccepted)
	return nil
}

// restart starts an instance again.
func (c *call) restart() error {
	var options []taskhub.RestartOption
	if !c.query.flag("restartWithNewInstanceId", true) {
		options = append(options, taskhub.RestartSameID())
	}
	started, err := c.api.client.Restart(c.r.Context(), c.id, options...)
	if errors.Is(err, taskhub.ErrInstanceNotFound) || errors.Is(err, taskhub.ErrHubNotFound) {
		return badRequest(messageRestart)
	}
	if err != nil {
		return err
	}
	return c.started(started.InstanceID)
}

// makePrimary answers as a host that does not use the app lease to choose a primary application.
func (c *call) makePrimary() error {
	return &refusal{http.StatusInternalServerError, problem{Message: "This server does not move the app lease between applications"}}
}
