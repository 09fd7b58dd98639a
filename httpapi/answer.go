package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/go-taskhub/taskhub/taskhub"
)

// Texts that clients look for.
const (
	messageArgument    = "One or more of the arguments submitted is incorrect"
	messageDamaged     = "What is stored of this instance cannot be read. The server's log says why, and the command taskhub doctor what can be done."
	messageContentType = "Only application/json request content is supported"
	messageInternal    = "Something went wrong while processing your request"
	messageInvalidJSON = "Invalid JSON content"
	messageRestart     = "InstanceId does not match a valid orchestration instance."
)

const (
	contentJSON   = "application/json; charset=utf-8"
	headerToken   = "X-Ms-Continuation-Token"
	retryGet      = "5"
	retryAccepted = "10"
)

// problem is the body of an answer that says what went wrong.
type problem struct {
	Message          string `json:"Message"`
	ExceptionMessage string `json:"ExceptionMessage,omitempty"`
	ExceptionType    string `json:"ExceptionType,omitempty"`
}

// refusal is an error that has its answer with it.
type refusal struct {
	status int
	body   any
}

// Error implements error.
func (r *refusal) Error() string { return http.StatusText(r.status) }

// badRequest refuses a request for a reason.
func badRequest(message string) error {
	return &refusal{http.StatusBadRequest, problem{Message: message}}
}

// answer answers without a body.
func (c *call) answer(status int) { c.w.WriteHeader(status) }

// answerJSON answers with a value as JSON.
func (c *call) answerJSON(status int, body any) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // the original leaves & in links as it is
	if err := encoder.Encode(body); err != nil {
		c.api.cfg.Logger.ErrorContext(c.r.Context(), "an answer of the HTTP API cannot be written as JSON", slog.String(keyHub, c.api.hub.Name()), slog.Any(keyError, err))
		c.answer(http.StatusInternalServerError)
		return
	}
	c.answerText(status, bytes.TrimSuffix(text.Bytes(), []byte("\n")))
}

// answerText answers with JSON.
func (c *call) answerText(status int, text []byte) {
	c.w.Header().Set("Content-Type", contentJSON)
	c.w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	c.w.WriteHeader(status)
	_, _ = c.w.Write(text) // whoever asked may have gone
}

// fail answers a request that could not be carried out.
func (c *call) fail(route *route, err error) {
	if refused, ok := errors.AsType[*refusal](err); ok {
		c.answerJSON(refused.status, refused.body)
		return
	}
	if errors.Is(err, context.Canceled) && c.r.Context().Err() != nil {
		c.answer(http.StatusServiceUnavailable) // whoever asked has gone
		return
	}
	status, body := explain(err)
	if status >= http.StatusInternalServerError {
		c.api.cfg.Logger.ErrorContext(c.r.Context(), "a request to the HTTP API failed",
			slog.String(keyHub, c.api.hub.Name()), slog.String(keyInstance, c.id), slog.String(keyRoute, route.method+" "+route.pattern), slog.Any(keyError, err))
	}
	c.answerJSON(status, body)
}

// errDamaged is matched by errors about an instance of which something is stored that cannot be read.
var errDamaged = errors.New("the instance is damaged")

// explain chooses the answer to an error of the client, without telling more than whoever asked may know.
func explain(err error) (int, problem) {
	argument := problem{Message: messageArgument, ExceptionMessage: err.Error(), ExceptionType: "System.ArgumentException"}
	finished := new(taskhub.InstanceFinishedError)
	exists := new(taskhub.InstanceExistsError)
	switch {
	case errors.Is(err, taskhub.ErrInstanceNotFound):
		return http.StatusNotFound, problem{Message: "There is no instance with this id. Ids are case-sensitive, and purged instances are gone."}
	case errors.Is(err, taskhub.ErrHubNotFound):
		return http.StatusNotFound, problem{Message: "The task hub does not exist yet. Starting an orchestration creates it."}
	case errors.As(err, &finished):
		return http.StatusGone, problem{Message: "The instance has finished, it is " + finished.Status.String() + ". Nothing reaches it any more."}
	case errors.As(err, &exists):
		return http.StatusConflict, problem{Message: "An instance with this id exists and is " + exists.Status.String() + ". Use another id, or wait until it has finished."}
	case errors.As(err, new(*http.MaxBytesError)):
		return http.StatusRequestEntityTooLarge, problem{Message: "The body of the request is too large"}
	case errors.As(err, new(*taskhub.ArgumentError)), errors.As(err, new(*taskhub.InvalidInstanceIDError)), errors.As(err, new(*taskhub.InvalidTokenError)):
		return http.StatusBadRequest, argument
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, problem{Message: "It took too long. Try again; what was done until now stays done."}
	case errors.As(err, new(*taskhub.CorruptHistoryError)), errors.Is(err, errDamaged):
		return http.StatusInternalServerError, problem{Message: messageDamaged}
	case errors.Is(err, taskhub.ErrClosed):
		return http.StatusServiceUnavailable, problem{Message: "The server is stopping"}
	}
	return http.StatusInternalServerError, problem{Message: messageInternal}
}
