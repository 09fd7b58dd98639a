package tables

// Columns of both tables, named as DurableTask.AzureStorage names them.
const (
	colPartitionKey = "PartitionKey"
	colRowKey       = "RowKey"
	colExecutionID  = "ExecutionId"
	colEventType    = "EventType"

	colCheckpointComplete = "IsCheckpointComplete"
	colCheckpointTime     = "CheckpointCompletedTimestamp"

	colName         = "Name"
	colVersion      = "Version"
	colInput        = "Input"
	colOutput       = "Output"
	colResult       = "Result"
	colReason       = "Reason"
	colCustomStatus = "CustomStatus"
	colCreated      = "CreatedTime"
	colUpdated      = "LastUpdatedTime"
	colCompleted    = "CompletedTime"
	colStatus       = "RuntimeStatus"
	colHub          = "TaskHubName"
	colScheduled    = "ScheduledStartTime"
	colGeneration   = "Generation"
	colTags         = "Tags"

	colEventID             = "EventId"
	colOrchestrationStatus = "OrchestrationStatus"
	colTaskScheduledID     = "TaskScheduledId"
	colTimerID             = "TimerId"
	colInstanceID          = "InstanceId"
)

// Columns that DurableTask.AzureStorage does not know and keeps.
const (
	colCommitID   = "CommitId"
	colStart      = "Start"
	colActivityID = "ActivityId"
	colLocal      = "Local"
	colLastStatus = "LastStatus"
	colEnvelope   = "Envelope"
	colOwner      = "Owner"
	colAttempts   = "Attempts"
	colFleet      = "Fleet"
)

// seenColumns hold the ids of messages that earlier generations consumed.
var seenColumns = [...]string{"Seen", "Seen1", "Seen2", "Seen3"}

// blobSuffix, added to the name of a column, names the column that says which blob holds the value.
const blobSuffix = "BlobName"

// NullText is what a column holds that is never absent, such as CustomStatus, when there is no value.
const NullText = "null"

// offloadable are the History columns whose large values go to blobs, in the order in which .NET treats them.
var offloadable = [...]string{colName, colInput, colResult, colOutput, colReason, "Details", "Correlation", "FailureDetails", colTags}
