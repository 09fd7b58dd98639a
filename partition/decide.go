package partition

import (
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/replay"
	"github.com/go-taskhub/taskhub/queues"
)

// outgoing is a message that an episode sends.
type outgoing struct {
	queue    *queues.Queue
	target   int // control queue index; workItems for the work-item queue
	envelope *history.Envelope
	fireAt   time.Time // of a timer
	held     bool      // a work item put invisible, to run in this process
	receipt  queues.Receipt
	until    time.Time

	id        int32  // of the action
	put       bool   // it is in its queue
	answer    bool   // it tells the parent how the instance ended
	outboxKey string // it is stored beside the history, under this key
	underWay  bool   // it runs here, is being sent, or is in the hands of a receiver; guarded by localWork
	arrived   bool   // it is durable elsewhere; guarded by localWork
	ahead     *Ahead // it runs, and its decision is not committed; nil otherwise
	// idempotent: the call says that it may begin before it is committed
	idempotent bool
}

// oneWay says whether nothing will ever answer.
func (o *outgoing) oneWay() bool {
	switch e := o.envelope.Message.Event.(type) {
	case *history.EventRaised:
		return true
	case *history.ExecutionStarted:
		return hasTag(e.Tags, replay.FireAndForgetTag)
	}
	return o.answer
}

const workItems = -1

// tick is the resolution of times in histories.
const tick = 100 * time.Nanosecond

func (o *outgoing) isTimer() bool { return !o.fireAt.IsZero() }

// decide turns new decisions into rows and messages, in the order of their ids.
// fit turns the decisions into rows and messages for which the episode has room, and returns the others: an episode
// is one transaction, and replaying makes the others again.
func (s *session) fit(ep *episode, turn *replay.Turn) []replay.Action {
	actions := turn.Actions
	room := max(rowsPerEpisode-len(ep.records), 1)
	if len(actions) > room && s.splits(turn) {
		s.decide(ep, actions[:room])
		return actions[room:]
	}
	s.decide(ep, actions)
	return nil
}

// splits: only what goes on can be split. The rows of a generation that ends are not written at all.
func (s *session) splits(turn *replay.Turn) bool {
	return turn.Outcome == nil || turn.Outcome.Status != history.ContinuedAsNew
}

// rowsPerEpisode is how many rows an episode has before its markers and its end, which fit into the same transaction.
const rowsPerEpisode = 96

// decided are the messages that this process answers for from now on.
func (ep *episode) decided() []*outgoing {
	var list []*outgoing
	for _, o := range ep.out {
		if !o.put {
			list = append(list, o)
		}
	}
	for _, o := range ep.stored {
		if !o.put {
			list = append(list, o)
		}
	}
	return list
}

func (s *session) decide(ep *episode, actions []replay.Action) {
	s.st.pending, s.st.pendingOutcome = nil, nil
	for _, a := range actions {
		e := a.Event()
		e.Common().Timestamp = ep.now
		e.Common().IsPlayed = false
		o := s.message(ep, a, e)
		keepTrace(e, o)
		ep.add(e, s.kept(o))
		if o != nil {
			ep.out = append(ep.out, o)
		}
	}
}

// kept is what the row of a decision keeps of its message: the id of a work item, or the execution that a start names, if results of others with its number
// may come. In a mixed fleet they are put before the commit; if that fails, the number may become another one's. And what a
// rewind undoes is decided once more, with the same number.
func (s *session) kept(o *outgoing) string {
	switch {
	case o == nil:
	case o.isActivity() && (!s.p.goFleet() || s.st.rewound > 0):
		return o.envelope.ActivityID
	case o.isStart() && !s.p.goFleet():
		return startID(o)
	}
	return ""
}

// message makes the message of a decision; markers have none.
func (s *session) message(ep *episode, a replay.Action, created history.Event) *outgoing {
	id := created.Common().EventID
	switch a := a.(type) {
	case *replay.ScheduleTask:
		return s.workItem(ep, id, a)
	case *replay.CreateTimer:
		fired := &history.TimerFired{TimerID: id, FireAt: a.FireAt.UTC()}
		o := s.envelope(ep, id, fired, s.self(), "timer", nil)
		o.queue, o.target, o.fireAt = s.p.queue, s.p.Index(), fired.FireAt
		return o
	case *replay.CreateSubOrchestration:
		return s.child(ep, id, a)
	case *replay.SendEvent:
		raised := &history.EventRaised{Name: a.Name, Input: a.Input, ParentTrace: s.p.cfg.Telemetry.Event(s.st.started)}
		o := s.envelope(ep, id, raised, history.Instance{InstanceID: a.InstanceID}, a.Name, a.Input)
		// Rows of .NET tell events apart by time, name and input alone, so no two events of an episode have one time.
		raised.Timestamp = ep.now.Add(time.Duration(id) * tick)
		return s.control(o)
	default:
		return nil
	}
}

func (s *session) workItem(ep *episode, id int32, a *replay.ScheduleTask) *outgoing {
	scheduled := &history.TaskScheduled{Name: a.Name, Version: &a.Version, Input: a.Input, Tags: a.Tags}
	scheduled.ParentTrace = s.p.cfg.Telemetry.Call(s.st.started, s.st.executionID, id, s.st.rewound)
	o := s.envelope(ep, id, scheduled, s.self(), a.Name, a.Input)
	scheduled.EventID = id
	if committed, ok := s.st.workItems[id]; ok {
		o.envelope.ActivityID = committed
	} else if n := s.st.rewound; n > 0 {
		o.envelope.ActivityID = againID(o.envelope.ActivityID, n)
	}
	o.envelope.Message.Context = s.executionContext()
	o.queue, o.target, o.idempotent = s.p.cfg.Queues.WorkItems(), workItems, a.Idempotent
	return o
}

func (s *session) child(ep *episode, id int32, a *replay.CreateSubOrchestration) *outgoing {
	st := s.st
	target := history.Instance{
		InstanceID:  a.InstanceID,
		ExecutionID: history.String(childExecutionID(st.executionID, id, a.InstanceID, a.Name, a.Input)),
	}
	start := &history.ExecutionStarted{
		Instance: target, Name: a.Name, Version: &a.Version, Input: a.Input, Tags: a.Tags,
		Parent: &history.ParentInstance{
			Name: st.started.Name, Instance: s.self(), TaskScheduleID: id, Version: st.started.Version,
		},
	}
	start.ParentTrace = s.p.cfg.Telemetry.Call(st.started, st.executionID, id, st.rewound)
	o := s.envelope(ep, id, start, target, a.Name, a.Input)
	o.envelope.Message.Context = s.executionContext()
	return s.control(o)
}

// answerToParent tells the parent how its sub-orchestration ended.
func (s *session) answerToParent(ep *episode, out *replay.Outcome) *outgoing {
	parent := s.st.started.Parent
	if parent == nil || out.Status == history.Canceled || hasTag(s.st.started.Tags, replay.FireAndForgetTag) {
		return nil
	}
	var e history.Event = &history.SubOrchestrationCompleted{TaskScheduledID: parent.TaskScheduleID, Result: out.Result}
	if out.Status != history.Completed {
		e = &history.SubOrchestrationFailed{TaskScheduledID: parent.TaskScheduleID, Reason: out.Result, Failure: out.Failure}
	}
	o := s.control(s.envelope(ep, out.EventID, e, parent.Instance, "answer", out.Result))
	o.answer = true
	if id := s.st.answerID(); id != "" && !s.p.goFleet() {
		o.envelope.ActivityID = id
	}
	return o
}

// envelope wraps an event into a message from this instance.
func (s *session) envelope(ep *episode, id int32, e history.Event, to history.Instance, name string, input *string) *outgoing {
	*e.Common() = history.Base{EventID: -1, Timestamp: ep.now}
	episode, self := s.st.episodes, s.self()
	return &outgoing{id: id, envelope: &history.Envelope{
		ActivityID: messageID(s.st.executionID, id, e.Kind(), to.InstanceID, name, input),
		Message:    &history.Message{Event: e, Target: to},
		Episode:    &episode,
		Sender:     &self,
	}}
}

func (s *session) control(o *outgoing) *outgoing {
	id := o.envelope.Message.Target.InstanceID
	o.queue = s.p.cfg.Queues.ControlFor(id)
	o.target = s.p.home(id)
	return o
}

func (s *session) self() history.Instance {
	return history.Instance{InstanceID: s.id, ExecutionID: history.String(s.st.executionID)}
}

func (s *session) executionContext() *history.ExecutionContext {
	tags := s.st.started.Tags
	if tags == nil {
		tags = history.NewTags(nil)
	}
	return &history.ExecutionContext{Tags: tags}
}

func hasTag(t *history.Tags, key string) bool {
	if t == nil {
		return false
	}
	_, ok := t.Get(key)
	return ok
}
