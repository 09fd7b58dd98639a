package partition

// Attribute keys of log records.
const (
	keyError     = "error"
	keyExecution = "execution_id"
	keyInstance  = "instance_id"
	keyMessage   = "message_id"
	keyName      = "name"
	keyOperation = "operation"
	keyPartition = "partition"
	keyQueue     = "queue"
	keyReason    = "reason"
	keyEvent     = "event"
	keyDelay     = "delay"
	keyCount     = "count"
)
