package partition

// Attribute keys of log records.
const (
	keyError     = "error"
	keyExecution = "execution_id"
	keyInstance  = "instance_id"
	keyLetter    = "dead_letter"
	keyMessage   = "message_id"
	keyLimit     = "limit"
	keySize      = "bytes"
	keyName      = "name"
	keyOperation = "operation"
	keyPartition = "partition"
	keyQueue     = "queue"
	keyReason    = "reason"
	keyEvent     = "event"
	keyDelay     = "delay"
	keyCount     = "count"
	keyStack     = "stack"
)
