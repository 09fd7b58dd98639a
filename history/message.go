package history

// Message is an event on its way to an instance. .NET calls it TaskMessage.
type Message struct {
	// Event is what happened, or what is asked for.
	Event Event
	// SequenceNumber is always 0 on Azure Storage.
	SequenceNumber int64
	// Target is the receiver. For a TaskScheduled, which goes to whichever
	// worker is free, it is the orchestration that waits for the answer.
	Target Instance
	// Context is set for TaskScheduled and for starts of children, else nil.
	Context *ExecutionContext
}

// ExecutionContext is what a message tells of the orchestration that sent it.
type ExecutionContext struct {
	// Tags are the sender's; an empty dictionary when it has none.
	Tags *Tags
}

// Envelope is the content of one queue message. .NET calls it MessageData.
//
// A message too large for the queue is kept in a blob. Then the queue holds an
// envelope with nothing but the name of the blob, and the blob holds the real
// envelope.
type Envelope struct {
	// ActivityID identifies the message: a GUID, in lower case and with dashes
	// once read. Writing accepts the common spellings of a GUID; empty stands
	// for the one that is all zeros.
	ActivityID string
	// Message is the content; nil when CompressedBlobName is set.
	Message *Message
	// CompressedBlobName is the blob that holds the real envelope.
	CompressedBlobName *string
	// SequenceNumber orders messages of one process that the queue service
	// received at the same moment, from 1 on.
	SequenceNumber int64
	// Episode is the number of the sender's episode, from 1 on; -1 in the answer
	// to a message without one; nil in messages of clients.
	Episode *int32
	// Sender is who sent the message: for clients an instance with two empty
	// ids, for an activity's answer the orchestration that asked. It is nil only
	// where Message is: .NET breaks over a message without a sender, so one is
	// written, and read, as that of a client.
	Sender *Instance
	// TraceContext belongs to an older way of tracing and is normally nil.
	TraceContext *string
}
