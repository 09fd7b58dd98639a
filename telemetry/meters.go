package telemetry

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/go-taskhub/taskhub/history"
)

// meters measures one hub.
type meters struct {
	*instruments
	hub  attribute.KeyValue
	sets sync.Map // of metric.MeasurementOption, by label
	size atomic.Int64
}

// label are the values of a measurement's attributes. Which attributes they are of depends on the first.
type label struct {
	key    attribute.Key
	first  string
	second string
	number int
}

const (
	// mostLabels bounds the attribute sets of a hub. Names come from the code, but a client may start any name.
	mostLabels = 2000
	// other stands for names beyond that, as OpenTelemetry's conventions have it.
	other = "_OTHER"
)

// with returns the attributes of a measurement, made once for each label.
func (m *meters) with(l label) metric.MeasurementOption {
	if option, ok := m.sets.Load(l); ok {
		return option.(metric.MeasurementOption) //nolint:forcetypeassert // nothing else is in it
	}
	if m.size.Load() >= mostLabels {
		l.first = other
	}
	list := []attribute.KeyValue{m.hub}
	switch l.key {
	case partitionKey:
		list = append(list, queueKey.String(l.first))
		if l.number >= 0 {
			list = append(list, partitionKey.Int(l.number))
		}
	case statusKey:
		list = append(list, orchestrationKey.String(l.first), statusKey.String(l.second))
	case activityKey:
		list = append(list, activityKey.String(l.first), outcomeKey.String(l.second))
	case "":
	default:
		list = append(list, l.key.String(l.first))
	}
	option := metric.WithAttributeSet(attribute.NewSet(list...))
	if _, known := m.sets.LoadOrStore(l, option); !known {
		m.size.Add(1)
	}
	return option
}

var background = context.Background()

func (m *meters) activity(name string, outcome Outcome, took time.Duration) {
	m.activities.Record(background, took.Seconds(), m.with(label{key: activityKey, first: name, second: string(outcome)}))
}

// Queues, as the metrics name them.
const (
	ControlQueue  = "control"
	WorkItemQueue = "workitems"
)

// NoPartition stands for the work-item queue, which all partitions share.
const NoPartition = -1

// Received counts messages taken from a queue.
func (r *Recorder) Received(queue string, partition, messages int) {
	if r.Measuring() && messages > 0 {
		r.meters.received.Add(background, int64(messages), r.meters.with(label{key: partitionKey, first: queue, number: partition}))
	}
}

// Deleted counts messages deleted from a queue.
func (r *Recorder) Deleted(queue string, partition, messages int) {
	if r.Measuring() && messages > 0 {
		r.meters.deleted.Add(background, int64(messages), r.meters.with(label{key: partitionKey, first: queue, number: partition}))
	}
}

// Loaded counts a history that was read.
func (r *Recorder) Loaded(events int) {
	if r.Measuring() {
		all := r.meters.with(label{})
		r.meters.loads.Add(background, 1, all)
		r.meters.loadedEvents.Add(background, int64(events), all)
	}
}

// Episode measures a turn of an orchestrator from its beginning.
func (r *Recorder) Episode(orchestration string, began time.Time) {
	if r.Measuring() {
		r.meters.episodes.Record(background, time.Since(began).Seconds(), r.meters.with(label{key: orchestrationKey, first: orchestration}))
	}
}

// Commit measures the writing of an episode. outcome is "committed", "conflict" or "failed".
func (r *Recorder) Commit(outcome string, began time.Time) {
	if r.Measuring() {
		r.meters.commits.Record(background, time.Since(began).Seconds(), r.meters.with(label{key: outcomeKey, first: outcome}))
	}
}

// Started counts an instance whose first episode was committed.
func (r *Recorder) Started(orchestration string) {
	if r.Measuring() {
		r.meters.started.Add(background, 1, r.meters.with(label{key: orchestrationKey, first: orchestration}))
	}
}

// Ended counts an instance whose end was committed.
func (r *Recorder) Ended(started *history.ExecutionStarted, e *history.ExecutionCompleted) {
	if !r.Measuring() || started == nil {
		return
	}
	m := r.meters
	with := m.with(label{key: statusKey, first: started.Name, second: e.Status.String()})
	m.ended.Add(background, 1, with)
	m.runs.Record(background, max(time.Since(started.Timestamp), 0).Seconds(), with)
}

// TakenOver counts instances that were taken over from a worker that is gone.
func (r *Recorder) TakenOver(instances int) {
	if r.Measuring() && instances > 0 {
		r.meters.takenOver.Add(background, int64(instances), r.meters.with(label{}))
	}
}

// DeadLetter counts a message that was given up.
func (r *Recorder) DeadLetter(queue string) {
	if r.Measuring() {
		r.meters.deadLetters.Add(background, 1, r.meters.with(label{key: queueKey, first: queue}))
	}
}

// Tick counts a tick of a schedule. outcome is "started", "existing" for one whose instance was there already, or "failed".
func (r *Recorder) Tick(outcome string) {
	if r.Measuring() {
		r.meters.ticks.Add(background, 1, r.meters.with(label{key: outcomeKey, first: outcome}))
	}
}
