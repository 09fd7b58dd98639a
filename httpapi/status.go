package httpapi

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
)

// statusBody is the state of an instance.
type statusBody struct {
	Name          string             `json:"name"`
	InstanceID    string             `json:"instanceId"`
	RuntimeStatus string             `json:"runtimeStatus"`
	Input         json.RawMessage    `json:"input"`
	CustomStatus  json.RawMessage    `json:"customStatus"`
	Output        json.RawMessage    `json:"output"`
	CreatedTime   string             `json:"createdTime"`
	LastUpdated   string             `json:"lastUpdatedTime"`
	HistoryEvents *[]json.RawMessage `json:"historyEvents,omitempty"` // nil when nobody asked
}

func newStatus(in *durable.Instance) *statusBody {
	return &statusBody{
		Name: in.Name, InstanceID: in.InstanceID, RuntimeStatus: statusName(in.Status),
		Input: value(in.Input), CustomStatus: value(in.CustomStatus), Output: value(in.Output),
		CreatedTime: seconds(in.CreatedAt), LastUpdated: seconds(in.LastUpdatedAt),
	}
}

// isKnown tells whether a state has a name.
func isKnown(s history.Status) bool { return s >= history.Running && s <= history.Suspended }

func statusName(s history.Status) string {
	if !isKnown(s) {
		return "Unknown"
	}
	return s.String()
}

// seconds writes a time without its fraction.
func seconds(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// value turns a stored text into JSON: itself where it is JSON, otherwise a string.
func value(text *string) json.RawMessage {
	switch {
	case text == nil:
		return json.RawMessage("null")
	case strings.TrimSpace(*text) == "":
		return json.RawMessage(`""`)
	case utf8.ValidString(*text) && json.Valid([]byte(*text)):
		return json.RawMessage(*text)
	}
	return quote(*text)
}
