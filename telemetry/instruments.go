package telemetry

import (
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Attributes of metrics.
const (
	hubKey           = attribute.Key("taskhub.hub")
	partitionKey     = attribute.Key("taskhub.partition")
	orchestrationKey = attribute.Key("taskhub.orchestration.name")
	statusKey        = attribute.Key("taskhub.orchestration.status")
	activityKey      = attribute.Key("taskhub.activity.name")
	outcomeKey       = attribute.Key("taskhub.outcome")
	queueKey         = attribute.Key("taskhub.queue")
	slotKey          = attribute.Key("taskhub.slot.state")
	limitKey         = attribute.Key("taskhub.limit.name")
	accountKey       = attribute.Key("taskhub.storage.account")
	serviceKey       = attribute.Key("taskhub.storage.service")
	operationKey     = attribute.Key("taskhub.storage.operation")
	responseKey      = attribute.Key("http.response.status_code")
)

// instruments are what is measured. The names are listed in docs/observability.md.
type instruments struct {
	meter metric.Meter

	started, ended, loads, loadedEvents, received, deleted, takenOver, deadLetters, throttled, ticks metric.Int64Counter
	runs, episodes, commits, activities, calls                                                       metric.Float64Histogram

	owned, sessions, episodesRunning, episodeSlots, activitySlots, activitiesWaiting, messagesWaiting metric.Int64ObservableGauge
	concurrency, requestsWaiting, limitsWaiting                                                       metric.Int64ObservableGauge
	lag                                                                                               metric.Float64ObservableGauge
	limitsBegun                                                                                       metric.Int64ObservableCounter
	limitsWaited                                                                                      metric.Float64ObservableCounter
}

// Bounds of histograms, in seconds: a storage call takes milliseconds, an orchestration may take days.
var (
	quick = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	slow  = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 6 * 3600, 24 * 3600, 7 * 24 * 3600}
)

func newInstruments(m metric.Meter) (*instruments, error) {
	i := &instruments{meter: m}
	b := builder{m: m}
	i.counters(&b)
	i.histograms(&b)
	i.gauges(&b)
	if err := errors.Join(b.errs...); err != nil {
		return nil, err
	}
	return i, nil
}

func (i *instruments) counters(b *builder) {
	i.started = b.counter("taskhub.orchestration.started", "{instance}", "Instances of orchestrations whose first episode was committed here.")
	i.ended = b.counter("taskhub.orchestration.ended", "{instance}", "Instances whose end was committed here, by status.")
	i.loads = b.counter("taskhub.history.loads", "{load}", "Histories read from storage, each of which is replayed.")
	i.loadedEvents = b.counter("taskhub.history.loaded_events", "{event}", "Events in the histories that were read.")
	i.received = b.counter("taskhub.messages.received", "{message}", "Messages received from control queues and the work-item queue.")
	i.deleted = b.counter("taskhub.messages.deleted", "{message}", "Messages deleted after they were dealt with.")
	i.takenOver = b.counter("taskhub.takeovers", "{instance}", "Instances with work under way that were taken over from a worker that is gone.")
	i.deadLetters = b.counter("taskhub.dead_letters", "{message}", "Messages given up after too many attempts.")
	i.throttled = b.counter("taskhub.storage.throttled", "{request}", "Requests that the storage service refused because of its load.")
	i.ticks = b.counter("taskhub.schedule.ticks", "{tick}", "Ticks of schedules carried out here, by outcome.")
}

func (i *instruments) histograms(b *builder) {
	i.runs = b.histogram("taskhub.orchestration.duration", "From the start of an instance, or of its last generation, to its end.", slow)
	i.episodes = b.histogram("taskhub.episode.duration", "One turn of an orchestrator: its code, and what was stored and sent.", quick)
	i.commits = b.histogram("taskhub.commit.duration", "Writing the rows of an episode, by outcome.", quick)
	i.activities = b.histogram("taskhub.activity.duration", "One attempt at an activity, by outcome.", slow)
	i.calls = b.histogram("taskhub.storage.call.duration", "One request to a storage service, until its answer begins.", quick)
}

func (i *instruments) gauges(b *builder) {
	i.owned = b.gauge("taskhub.partitions.owned", "{partition}", "Partitions that this worker owns.")
	i.sessions = b.gauge("taskhub.orchestration.active", "{instance}", "Instances in the memory of this worker.")
	i.episodesRunning = b.gauge("taskhub.episode.running", "{episode}", "Episodes that run at this moment.")
	i.episodeSlots = b.gauge("taskhub.episode.slots", "{slot}", "Episodes that may run at one time.")
	i.activitySlots = b.gauge("taskhub.activity.slots", "{slot}", "Slots for activities, used and free.")
	i.activitiesWaiting = b.gauge("taskhub.activity.waiting", "{activity}", "Activities that wait in this worker for a slot.")
	i.messagesWaiting = b.gauge("taskhub.messages.waiting", "{message}", "Messages received and not yet looked at.")
	i.concurrency = b.gauge("taskhub.storage.concurrency.limit", "{request}", "Requests that may be under way while the service throttles; 0 when it does not.")
	i.requestsWaiting = b.gauge("taskhub.storage.requests.waiting", "{request}", "Requests that wait because the service throttles.")
	i.limitsWaiting = b.gauge("taskhub.limit.waiting", "{attempt}", "Attempts at activities that wait here for a limit.")
	var err error
	i.lag, err = b.m.Float64ObservableGauge("taskhub.queue.lag", metric.WithUnit("s"),
		metric.WithDescription("How long the oldest message of the last receive had been due; 0 when the queue was empty."))
	b.errs = append(b.errs, err)
	i.limitsBegun, err = b.m.Int64ObservableCounter("taskhub.limit.begun", metric.WithUnit("{attempt}"),
		metric.WithDescription("Attempts at activities that a limit has let begin."))
	b.errs = append(b.errs, err)
	i.limitsWaited, err = b.m.Float64ObservableCounter("taskhub.limit.waited", metric.WithUnit("s"),
		metric.WithDescription("How long those that have begun had waited for the limit, in sum."))
	b.errs = append(b.errs, err)
}

// builder makes instruments and gathers what is wrong with them.
type builder struct {
	m    metric.Meter
	errs []error
}

func (b *builder) counter(name, unit, text string) metric.Int64Counter {
	c, err := b.m.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(text))
	b.errs = append(b.errs, err)
	return c
}

func (b *builder) histogram(name, text string, bounds []float64) metric.Float64Histogram {
	h, err := b.m.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(text), metric.WithExplicitBucketBoundaries(bounds...))
	b.errs = append(b.errs, err)
	return h
}

func (b *builder) gauge(name, unit, text string) metric.Int64ObservableGauge {
	g, err := b.m.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(text))
	b.errs = append(b.errs, err)
	return g
}
