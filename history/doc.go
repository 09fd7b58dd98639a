// Package history holds the events an orchestration is made of, and the three
// forms in which Azure Storage and its readers see them. The forms are those
// of DurableTask.AzureStorage 2.9 for .NET, so that .NET workers and clients
// read what Go wrote and the other way round.
//
// # Events
//
// Everything that happens to an orchestration instance is an event: it was
// started, it asked for an activity, the activity answered, a timer fired.
// Replaying the events in order brings an orchestrator back to where it was.
// There is one struct for each kind, with [Base] embedded: a number that links
// an answer to its question, a flag, and the time.
//
// Strings that .NET may leave null are pointers; [String] makes one.
//
// # Queue form
//
// Events travel in queue messages: an [Envelope] around a [Message] around an
// event. The text is one JSON object as Newtonsoft.Json writes it with type
// names on: each object of a known class begins with a member "$type" that
// holds the class name, and each member is there even when it is null, always
// in the same order.
//
//	{"$type":"DurableTask.AzureStorage.MessageData",
//	 "ActivityId":"5406d369-4369-4673-afae-6671a2fa1e57",
//	 "TaskMessage":{"$type":"DurableTask.Core.TaskMessage",
//	   "Event":{"$type":"DurableTask.Core.History.TaskCompletedEvent","EventType":5,
//	     "TaskScheduledId":0,"Result":"\"ok\"","EventId":-1,"IsPlayed":false,
//	     "Timestamp":"2026-06-01T12:34:56.789012Z"},
//	   "SequenceNumber":0,
//	   "OrchestrationInstance":{"$type":"DurableTask.Core.OrchestrationInstance",
//	     "InstanceId":"order-42","ExecutionId":"aae324dcc8f943e490b37ec5e5bbf9da"},
//	   "OrchestrationExecutionContext":null},
//	 "CompressedBlobName":null,"SequenceNumber":5,"Episode":1,
//	 "Sender":{"InstanceId":"order-42","ExecutionId":"aae324dcc8f943e490b37ec5e5bbf9da"},
//	 "SerializableTraceContext":null}
//
// (without the line breaks). Exceptions to the rule: "Episode" is left out when
// there is none, "Sender" has no type name, and a dictionary ([Tags],
// [Properties]) repeats the type name it was read with, or goes without one.
// Dates are in UTC with up to seven digits of a second and no trailing zeros.
//
// Reading is more generous than .NET: "$type" may stand anywhere in its object
// and may name an assembly, members may be missing (they get their defaults),
// unknown ones are ignored, and names match without regard to case when they
// do not match exactly.
//
// # Row form
//
// The history table keeps one row per event. Each member of the class becomes a
// column of its own: numbers, booleans and dates in their own types, kinds and
// statuses by name, and whatever is an object as JSON text without type names,
// the text "null" when there is none. The time goes to the column "_Timestamp",
// because "Timestamp" belongs to the service. See [EncodeRow].
//
// # Export form
//
// What a .NET client prints as the history of an instance: an array of events
// in queue form without type names. See [MarshalExport].
//
// # Limits
//
// Text nested deeper than 64 objects is refused, as Newtonsoft.Json refuses it,
// and nothing that is allocated while reading is larger than the text
// warrants. Every decoding error is a [*DecodeError] naming the field.
package history
