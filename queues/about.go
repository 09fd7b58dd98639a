package queues

import (
	"encoding/json"
	"strings"

	"github.com/go-taskhub/taskhub/history"
)

// About is what can be told of a message without understanding it.
type About struct {
	// Target is the instance that the message is for; its id is empty when nothing says so.
	Target history.Instance
	// Kind is the type of its event, such as "TaskScheduled"; empty when it is not known.
	Kind string
	// Name is the activity, orchestrator or event that it names; empty when there is none.
	Name string
	// EventID is the event's id; nil when it is not known.
	EventID *int32
}

// About tells what the message is about, also of one that cannot be understood, as far as it can be made out.
func (d *Delivery) About() About {
	if d.Envelope != nil && d.Envelope.Message != nil {
		return aboutMessage(d.Envelope.Message)
	}
	text, err := plainText(d.Text)
	if err != nil {
		return About{}
	}
	return guess(text)
}

func aboutMessage(m *history.Message) About {
	a := About{Target: m.Target}
	if m.Event == nil {
		return a
	}
	id := m.Event.Common().EventID
	a.Kind, a.EventID = m.Event.Kind().String(), &id
	switch e := m.Event.(type) {
	case *history.TaskScheduled:
		a.Name = e.Name
	case *history.ExecutionStarted:
		a.Name = e.Name
	case *history.EventRaised:
		a.Name = e.Name
	}
	return a
}

// guess reads the few members that say what a message is about, whatever is wrong with the others. Of one whose content is
// in a blob that cannot be read, the blob's name says it.
func guess(text []byte) About {
	var m struct {
		TaskMessage struct {
			Event struct {
				Type    string `json:"$type"`
				EventID *int32 `json:"EventId"`
				Name    string
			}
			OrchestrationInstance struct {
				InstanceID  string `json:"InstanceId"`
				ExecutionID string `json:"ExecutionId"`
			}
		}
		CompressedBlobName string
	}
	_ = json.Unmarshal(text, &m) // what has another type than expected is left out, and the rest read
	event, target := m.TaskMessage.Event, m.TaskMessage.OrchestrationInstance
	a := About{Target: history.Instance{InstanceID: target.InstanceID}, Name: event.Name, EventID: event.EventID}
	if target.ExecutionID != "" {
		a.Target.ExecutionID = &target.ExecutionID
	}
	class, _, _ := strings.Cut(event.Type, ",")
	a.Kind = strings.TrimSuffix(class[strings.LastIndex(class, ".")+1:], "Event")
	if i := strings.LastIndex(m.CompressedBlobName, blobMark); i > 0 && a.Target.InstanceID == "" {
		a.Target.InstanceID = m.CompressedBlobName[:i]
		kind := strings.TrimSuffix(m.CompressedBlobName[i:], ".json.gz")
		a.Kind = kind[strings.LastIndex(kind, "-")+1:]
	}
	return a
}

// blobMark follows the instance id in the name of a blob that holds a message.
const blobMark = "/message-"
