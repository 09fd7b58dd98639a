package partition

import (
	"errors"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/queues"
	"github.com/go-taskhub/taskhub/tables"
	"github.com/go-taskhub/taskhub/telemetry"
)

// beginsTrace gives an instance that begins with an event its span, which is stored with it.
func (s *session) beginsTrace(ep *episode, e history.Event) {
	start, ok := e.(*history.ExecutionStarted)
	if !ok || s.p.cfg.Telemetry == nil {
		return
	}
	s.p.cfg.Telemetry.Begin(start, ep.now)
	s.trail, ep.starts = s.p.cfg.Telemetry.Trail(), true
}

// keepTrace lets the row of a decision keep the trace that its message carries. That of a child keeps the span alone.
func keepTrace(decision history.Event, o *outgoing) {
	if o == nil {
		return
	}
	switch e := decision.(type) {
	case *history.TaskScheduled:
		if sent, ok := o.envelope.Message.Event.(*history.TaskScheduled); ok {
			e.ParentTrace = sent.ParentTrace
		}
	case *history.SubOrchestrationCreated:
		if sent, ok := o.envelope.Message.Event.(*history.ExecutionStarted); ok {
			e.ClientSpanID = telemetry.SpanOf(sent.ParentTrace)
		}
	}
}

// finished is a generation that ends in an episode: none of its rows are written, but its spans are.
type finished struct {
	run     telemetry.Run
	records []tables.Record
}

func (s *session) generationEnds(ep *episode) {
	if s.trail != nil {
		ep.over = append(ep.over, finished{run: s.traced(), records: ep.records})
	}
}

func (s *session) traced() telemetry.Run {
	return telemetry.Run{Started: s.st.started, InstanceID: s.id, ExecutionID: s.st.executionID}
}

// loaded takes note of a history that was read: the spans of what it holds were written before.
func (s *session) loaded(h *tables.History) {
	r := s.p.cfg.Telemetry
	if r == nil {
		return
	}
	r.Loaded(len(h.Records))
	s.trail = r.Trail()
	news := s.doubt.stands(h)
	for _, record := range h.Records[:news] {
		s.trail.Known(record.Event)
	}
	if news < len(h.Records) {
		s.report(&episode{records: h.Records[news:], starts: s.doubt.starts})
	}
	s.doubt = nil
}

// doubt is a commit whose answer said that it failed. If it is there nevertheless, as when the answer to the first of two attempts
// was lost, what it did is told when the history is read again.
type doubt struct {
	executionID string
	row         int
	at          time.Time
	starts      bool
}

func (s *session) doubts(ep *episode) {
	if s.p.cfg.Telemetry != nil && len(ep.records) > 0 {
		s.doubt = &doubt{executionID: s.st.executionID, row: ep.firstRow, at: ep.records[0].Event.Common().Timestamp, starts: ep.starts}
	}
}

// stands is the number of rows of a history that were known before. The first row of an episode is told by its time.
func (d *doubt) stands(h *tables.History) int {
	if d == nil || d.executionID != h.ExecutionID || d.row >= len(h.Records) || !h.Records[d.row].Event.Common().Timestamp.Equal(d.at) {
		return len(h.Records)
	}
	return d.row
}

// report tells what a commit has done.
func (s *session) report(ep *episode) {
	r := s.p.cfg.Telemetry
	if r == nil {
		return
	}
	if ep.starts {
		r.Started(s.st.started.Name)
	}
	for _, generation := range ep.over {
		for _, record := range generation.records {
			s.trail.Committed(generation.run, record.Event)
		}
		s.trail.Generation()
	}
	if ep.newGeneration {
		s.trail.Generation()
	}
	for _, record := range ep.records {
		s.trail.Committed(s.traced(), record.Event)
		if e, ok := record.Event.(*history.ExecutionCompleted); ok {
			r.Ended(s.st.started, e)
		}
	}
}

func outcomeOf(err error) string {
	switch {
	case err == nil:
		return "committed"
	case errors.Is(err, tables.ErrConflict):
		return "conflict"
	}
	return "failed"
}

// reportReceived tells of a receive, and how late its oldest message is.
func (p *Partition) reportReceived(batch []*queues.Delivery) {
	if !p.cfg.Telemetry.Measuring() {
		return
	}
	p.cfg.Telemetry.Received(telemetry.ControlQueue, p.Index(), len(batch))
	p.health.lag.Store(int64(queues.OldestLag(batch, time.Now())))
}

func (p *Partition) reportDeleted(from *queues.Queue) {
	if from.Name() == p.queue.Name() {
		p.cfg.Telemetry.Deleted(telemetry.ControlQueue, p.Index(), 1)
	} else {
		p.cfg.Telemetry.Deleted(telemetry.WorkItemQueue, telemetry.NoPartition, 1)
	}
}
