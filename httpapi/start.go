package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/taskhub"
)

// start starts an instance, and waits for it if asked to.
func (c *call) start() error {
	req := durable.StartRequest{Name: c.name, InstanceID: c.id, Version: c.query.get("version")}
	if c.r.Method == http.MethodPost {
		input, err := c.jsonBody()
		if err != nil {
			return err
		}
		req.Input = input
	}
	started, err := c.api.client.Start(c.r.Context(), req, c.trace()...)
	if err != nil {
		return err
	}
	return c.started(started.InstanceID)
}

// maxTraceState is how long a tracestate is passed on, which the recommendation of the W3C asks for.
const maxTraceState = 512

// trace passes on the trace that a request belongs to. Headers that are not as they should be count as absent.
func (c *call) trace() []taskhub.StartOption {
	parent, state := c.r.Header.Get("Traceparent"), strings.Join(c.r.Header.Values("Tracestate"), ",")
	if !taskhub.ValidTraceParent(parent) {
		return nil
	}
	if len(state) > maxTraceState || strings.ContainsFunc(state, func(r rune) bool { return r < ' ' || r > '~' }) {
		state = ""
	}
	return []taskhub.StartOption{taskhub.WithTrace(parent, state)}
}

// started answers with the links to an instance, or with how it has ended within the time that the request names.
func (c *call) started(id string) error {
	timeout, wait := c.query.seconds("timeout")
	interval, ok := c.query.seconds("pollingInterval")
	if !wait || !ok {
		c.answerLinks(c.links(id))
		return nil
	}
	if interval > timeout {
		return badRequest(fmt.Sprintf("The total timeout %v must be longer than the interval %v between two looks. Instance %q was started.", timeout, interval, id))
	}
	return c.waitFor(id, timeout, false, c.links(id))
}

// waitFor answers with the end of an instance, or with the links when the time is up.
func (c *call) waitFor(id string, timeout time.Duration, failureIsError bool, links HTTPManagementPayload) error {
	in, err := c.api.await(c.r.Context(), id, min(timeout, c.api.cfg.MaxWait))
	switch {
	case err != nil:
		return err
	case in.Status == history.Completed:
		c.answerText(http.StatusOK, value(in.Output))
	case in.Status.IsTerminal():
		c.answerStatus(in, newStatus(in), failureIsError)
	default:
		c.answerLinks(links)
	}
	return nil
}

// await waits until an instance has ended, or the time is up, and returns its state.
func (a *API) await(ctx context.Context, id string, timeout time.Duration) (*durable.Instance, error) {
	if timeout > 0 {
		waiting, cancel := context.WithTimeout(ctx, timeout)
		in, err := a.client.WaitForCompletion(waiting, id, "")
		cancel()
		switch {
		case err != nil && (ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded)):
			return nil, err
		case err == nil && in.Status == history.Completed:
			return in, nil
		}
	}
	return a.client.Get(ctx, id) // with the input, which waiting leaves out
}

// answerLinks is the check-status answer.
func (c *call) answerLinks(links HTTPManagementPayload) {
	c.w.Header().Set("Location", links.StatusQueryGetURI)
	c.w.Header().Set("Retry-After", retryAccepted)
	c.answerJSON(http.StatusAccepted, links.checkStatus())
}
