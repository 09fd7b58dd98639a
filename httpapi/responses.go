package httpapi

import (
	"context"
	"net/http"
	"time"
)

// CreateCheckStatusResponse answers a request to a handler of yours with 202 and the addresses at which an instance is
// managed; Location is where its state is. It does not look whether the instance exists. See
// [API.CreateHTTPManagementPayload] about who may get these addresses.
func (a *API) CreateCheckStatusResponse(w http.ResponseWriter, r *http.Request, instanceID string) {
	c := &call{api: a, w: w, r: r}
	c.answerLinks(a.CreateHTTPManagementPayload(r, instanceID))
}

// DefaultWaitTimeout is how long [API.WaitForCompletionOrCreateCheckStatusResponse] waits.
const DefaultWaitTimeout = 10 * time.Second

// WaitOption is an option of [API.WaitForCompletionOrCreateCheckStatusResponse].
type WaitOption interface{ applyWait(*waitOptions) }

type waitOptions struct {
	timeout        time.Duration
	failureIsError bool
}

// TimeoutOption is what [WithTimeout] returns.
type TimeoutOption struct{ d time.Duration }

// WithTimeout says how long to wait, up to [Config.MaxWait]. Defaults to [DefaultWaitTimeout].
func WithTimeout(d time.Duration) TimeoutOption { return TimeoutOption{d} }

func (o TimeoutOption) applyWait(w *waitOptions) { w.timeout = o.d }

// FailureOption is what [WithFailureAsError] returns.
type FailureOption struct{}

// WithFailureAsError answers with 500 when the instance has failed. Defaults to 200.
func WithFailureAsError() FailureOption { return FailureOption{} }

func (FailureOption) applyWait(w *waitOptions) { w.failureIsError = true }

// WaitForCompletionOrCreateCheckStatusResponse answers a request to a handler of yours once an instance has ended: with 200
// and the output if it has completed, with 200 and the state if it ended otherwise. When the time is up it answers as
// [API.CreateCheckStatusResponse] does, and an unknown id is answered with 404.
func (a *API) WaitForCompletionOrCreateCheckStatusResponse(w http.ResponseWriter, r *http.Request, instanceID string, options ...WaitOption) {
	o := waitOptions{timeout: DefaultWaitTimeout}
	for _, option := range options {
		option.applyWait(&o)
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.cfg.Timeout+a.cfg.MaxWait)
	defer cancel()
	c := &call{api: a, w: w, r: r.WithContext(ctx), id: instanceID}
	if err := c.waitFor(instanceID, o.timeout, o.failureIsError, a.CreateHTTPManagementPayload(r, instanceID)); err != nil {
		c.fail(&route{pattern: "wait"}, err)
	}
}
