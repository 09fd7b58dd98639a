// Package telemetry gives what a hub and its workers do to OpenTelemetry: traces in the shape that Durable Functions and the
// Durable Task Framework give theirs, metrics, and the ids of the current span on log records. It is off unless a
// [Telemetry] is set in the configuration of the hub or of the worker; then it costs nothing.
//
//	ids := telemetry.NewIDGenerator(nil)
//	tracers := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithIDGenerator(ids))
//	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
//	t, err := telemetry.New(telemetry.Config{TracerProvider: tracers, MeterProvider: meters})
//	hub, err := taskhub.Open(ctx, taskhub.Config{Name: "orders", Connection: connection, Telemetry: t})
//
// # Traces
//
// Names, kinds and attributes of spans are those of the tracing in DurableTask.Core 3.x, source "DurableTask.Core" (its files
// Tracing/TraceHelper.cs, Tracing/Schema.cs, Tracing/TraceActivityConstants.cs and TaskOrchestrationDispatcher.cs):
//
//   - "create_orchestration:NAME", producer: a client starts an instance.
//   - "orchestration:NAME", server: the instance, from its first episode to its end, below the former.
//   - "activity:NAME", client: a call of an activity, from the decision to the answer, below the orchestration.
//   - "activity:NAME", server: the activity as it runs, below the call; spans of the activity's code are below it.
//   - "orchestration:NAME", client: a call of a sub-orchestration, with the child's server span below it.
//   - "orchestration:NAME:timer", internal: a timer, from its creation until it fired.
//   - "orchestration_event:NAME", producer: an event that a client or an orchestration sends.
//
// A version follows the name as "@(VERSION)".
//
// The context travels in the column and member ParentTraceContext of the events ExecutionStarted, TaskScheduled and
// EventRaised, and the span of a call of a sub-orchestration in ClientSpanId, where .NET keeps them; so a trace goes through
// .NET workers, too. The span of an orchestration has one id from its first episode to its end: it is kept with the start,
// with the instant, and whoever finishes the instance writes the span. Spans of calls, timers and orchestrations are written
// once the commit that ends them is acknowledged: a replay or a conflict repeats none, and a process that dies in between
// leaves one out. Their ids derive from the execution and the number of the call, so what is written twice has one id.
//
// That takes a tracer provider that lets the ids of spans be chosen: see [NewIDGenerator].
//
// # Metrics
//
// Their names begin with "taskhub."; docs/observability.md has the list. Attributes are names from the code, partitions,
// operations and outcomes, never ids of instances.
package telemetry
