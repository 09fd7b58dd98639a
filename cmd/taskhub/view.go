package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
)

// instanceJSON is an instance as -o json shows it, with the names of the HTTP API. Members are there always, null where
// nothing is known, but those for which "omitempty" says otherwise.
type instanceJSON struct {
	InstanceID      string            `json:"instanceId"`
	ExecutionID     string            `json:"executionId"`
	Name            string            `json:"name"`
	Version         string            `json:"version"`
	RuntimeStatus   string            `json:"runtimeStatus"`
	CreatedTime     *string           `json:"createdTime"`
	LastUpdatedTime *string           `json:"lastUpdatedTime"`
	CompletedTime   *string           `json:"completedTime"`
	ScheduledTime   *string           `json:"scheduledStartTime"`
	Generation      int32             `json:"generation"`
	Tags            map[string]string `json:"tags"`
	CustomStatus    json.RawMessage   `json:"customStatus"`
	Input           json.RawMessage   `json:"input,omitempty"`  // when it was asked for
	Output          json.RawMessage   `json:"output,omitempty"` // when it was asked for
	Failure         *failureJSON      `json:"failureDetails,omitempty"`
	Problem         string            `json:"problem,omitempty"` // what of it could not be read
}

// failureJSON describes the error of a failed instance.
type failureJSON struct {
	ErrorType      string       `json:"errorType"`
	ErrorMessage   string       `json:"errorMessage"`
	StackTrace     *string      `json:"stackTrace"`
	InnerFailure   *failureJSON `json:"innerFailure"`
	IsNonRetriable bool         `json:"isNonRetriable"`
}

// shown says which values of instances are shown.
type shown struct{ input, output bool }

func newInstanceJSON(in *durable.Instance, problem error, values shown) instanceJSON {
	view := instanceJSON{
		InstanceID: in.InstanceID, ExecutionID: in.ExecutionID, Name: in.Name, Version: in.Version, RuntimeStatus: statusName(in.Status),
		CreatedTime: jsonTime(in.CreatedAt), LastUpdatedTime: jsonTime(in.LastUpdatedAt), CompletedTime: jsonTime(in.CompletedAt),
		ScheduledTime: jsonTime(in.ScheduledStartAt), Generation: in.Generation, Tags: in.Tags, CustomStatus: jsonValue(in.CustomStatus),
		Failure: newFailureJSON(in.Failure),
	}
	if view.Tags == nil {
		view.Tags = map[string]string{}
	}
	if values.input {
		view.Input = jsonValue(in.Input)
	}
	if values.output {
		view.Output = jsonValue(in.Output)
	}
	if problem != nil {
		view.Problem = problem.Error()
	}
	return view
}

func newFailureJSON(f *history.FailureDetails) *failureJSON {
	if f == nil {
		return nil
	}
	return &failureJSON{f.ErrorType, f.ErrorMessage, f.StackTrace, newFailureJSON(f.Inner), f.IsNonRetriable}
}

// statusName is a status's name, "Unknown" for a row that has none that is known.
func statusName(s history.Status) string {
	if s < history.Running || s > history.Suspended {
		return "Unknown"
	}
	return s.String()
}

// jsonValue turns a stored text into JSON: itself where it is JSON, otherwise a string.
func jsonValue(text *string) json.RawMessage {
	switch {
	case text == nil:
		return json.RawMessage("null")
	case utf8.ValidString(*text) && json.Valid([]byte(*text)):
		return json.RawMessage(*text)
	}
	quoted, _ := json.Marshal(*text) // texts always can be
	return quoted
}

// longestValue is how much of a value a table shows, unless it is wide.
const longestValue = 2000

// describe writes an instance for people, a line for each of its properties.
func describe(w world, in *durable.Instance, format string, values shown) error {
	var text strings.Builder
	wide := format == formatWide
	line := func(title, value string) {
		if value != "" {
			fmt.Fprintf(&text, "%-15s%s\n", title, clean(value))
		}
	}
	status := statusName(in.Status)
	if w.colours(w.out) {
		status = paintStatus(status)
	}
	line("Instance", in.InstanceID)
	line("Orchestrator", in.Name)
	line("Version", in.Version)
	fmt.Fprintf(&text, "%-15s%s\n", "Status", status)
	at := func(title string, t time.Time) {
		if !t.IsZero() {
			text := formatTime(t)
			if w.drawing(w.out) { // for programs, the same state gives the same text
				text += "  " + relative(t, w.now())
			}
			line(title, text)
		}
	}
	at("Created", in.CreatedAt)
	at("Due to start", in.ScheduledStartAt)
	at("Updated", in.LastUpdatedAt)
	at("Completed", in.CompletedAt)
	if wide {
		line("Execution", in.ExecutionID)
		line("Generation", strconv.Itoa(int(in.Generation)))
	}
	for _, name := range slices.Sorted(maps.Keys(in.Tags)) {
		line("Tag", name+"="+in.Tags[name])
	}
	value := func(title string, stored *string) {
		if stored != nil {
			v := *stored
			if !wide {
				v = shorten(v, longestValue)
			}
			line(title, v)
		}
	}
	value("Custom status", in.CustomStatus)
	if values.input {
		value("Input", in.Input)
	}
	if values.output {
		value("Output", in.Output)
	}
	describeFailure(line, in.Failure, wide)
	_, err := fmt.Fprint(w.out, text.String())
	return err
}

func describeFailure(line func(title, value string), f *history.FailureDetails, wide bool) {
	title := "Failure"
	for ; f != nil; f = f.Inner {
		message := f.ErrorMessage
		if !wide {
			message = shorten(message, longestValue)
		}
		line(title, f.ErrorType+": "+message)
		if wide && f.StackTrace != nil {
			for text := range strings.Lines(*f.StackTrace) {
				line("", strings.TrimRight(text, "\r\n"))
			}
		}
		title = "caused by"
	}
}

// relative says how far a time is from now.
func relative(t, now time.Time) string {
	if t.After(now) {
		return "(in " + formatLength(t.Sub(now)) + ")"
	}
	return "(" + formatAge(t, now) + " ago)"
}

// ran is how long an instance took, or has taken until now.
func ran(in *durable.Instance, now time.Time) string {
	if in.CreatedAt.IsZero() || in.Status == history.Pending {
		return ""
	}
	end := now
	if in.Status.IsTerminal() {
		if end = in.CompletedAt; end.IsZero() {
			end = in.LastUpdatedAt
		}
	}
	if took := end.Sub(in.CreatedAt); took < time.Minute {
		return fmt.Sprintf("%.1fs", max(took, 0).Seconds())
	}
	return formatLength(end.Sub(in.CreatedAt))
}
