package history

// field stands for the name of a member, so that reading compares names once.
type field uint8

const (
	fieldUnknown field = iota
	fieldType
	fieldActivityID
	fieldActivityStartTime
	fieldClientSpanID
	fieldCompressedBlobName
	fieldCorrelation
	fieldData
	fieldDetails
	fieldEpisode
	fieldErrorMessage
	fieldErrorType
	fieldEvent
	fieldEventID
	fieldExecutionID
	fieldFailureDetails
	fieldFireAt
	fieldGenerateNewTrace
	fieldGeneration
	fieldID
	fieldInnerFailure
	fieldInput
	fieldInstanceID
	fieldIsNonRetriable
	fieldIsPlayed
	fieldName
	fieldOrchestrationExecutionContext
	fieldOrchestrationInstance
	fieldOrchestrationStatus
	fieldOrchestrationTags
	fieldParentExecutionID
	fieldParentInstance
	fieldParentTraceContext
	fieldProperties
	fieldReason
	fieldResult
	fieldScheduledStartTime
	fieldSender
	fieldSequenceNumber
	fieldSerializableTraceContext
	fieldSpanID
	fieldStackTrace
	fieldState
	fieldTags
	fieldTaskMessage
	fieldTaskScheduleID
	fieldTaskScheduledID
	fieldTimerID
	fieldTimestamp
	fieldTraceParent
	fieldTraceState
	fieldVersion
)

// fieldSet is a set of members. There are fewer than 64.
type fieldSet uint64

func (s *fieldSet) add(f field)     { *s |= 1 << f }
func (s fieldSet) has(f field) bool { return s&(1<<f) != 0 }

// fields finds a member by its name as .NET writes it.
var fields = map[string]field{
	typeMember:                      fieldType,
	"ActivityId":                    fieldActivityID,
	"ActivityStartTime":             fieldActivityStartTime,
	"ClientSpanId":                  fieldClientSpanID,
	"CompressedBlobName":            fieldCompressedBlobName,
	"Correlation":                   fieldCorrelation,
	"Data":                          fieldData,
	"Details":                       fieldDetails,
	"Episode":                       fieldEpisode,
	"ErrorMessage":                  fieldErrorMessage,
	"ErrorType":                     fieldErrorType,
	"Event":                         fieldEvent,
	"EventId":                       fieldEventID,
	"ExecutionId":                   fieldExecutionID,
	"FailureDetails":                fieldFailureDetails,
	"FireAt":                        fieldFireAt,
	"GenerateNewTrace":              fieldGenerateNewTrace,
	"Generation":                    fieldGeneration,
	"Id":                            fieldID,
	"InnerFailure":                  fieldInnerFailure,
	"Input":                         fieldInput,
	"InstanceId":                    fieldInstanceID,
	"IsNonRetriable":                fieldIsNonRetriable,
	"IsPlayed":                      fieldIsPlayed,
	"Name":                          fieldName,
	"OrchestrationExecutionContext": fieldOrchestrationExecutionContext,
	"OrchestrationInstance":         fieldOrchestrationInstance,
	"OrchestrationStatus":           fieldOrchestrationStatus,
	"OrchestrationTags":             fieldOrchestrationTags,
	"ParentExecutionId":             fieldParentExecutionID,
	"ParentInstance":                fieldParentInstance,
	"ParentTraceContext":            fieldParentTraceContext,
	"Properties":                    fieldProperties,
	"Reason":                        fieldReason,
	"Result":                        fieldResult,
	"ScheduledStartTime":            fieldScheduledStartTime,
	"Sender":                        fieldSender,
	"SequenceNumber":                fieldSequenceNumber,
	"SerializableTraceContext":      fieldSerializableTraceContext,
	"SpanId":                        fieldSpanID,
	"StackTrace":                    fieldStackTrace,
	"State":                         fieldState,
	"Tags":                          fieldTags,
	"TaskMessage":                   fieldTaskMessage,
	"TaskScheduleId":                fieldTaskScheduleID,
	"TaskScheduledId":               fieldTaskScheduledID,
	"TimerId":                       fieldTimerID,
	"Timestamp":                     fieldTimestamp,
	"TraceParent":                   fieldTraceParent,
	"TraceState":                    fieldTraceState,
	"Version":                       fieldVersion,
}

// longestName bounds the names worth comparing without regard to case.
const longestName = len("OrchestrationExecutionContext")

// foldedFields finds a member by its name in lower case. Newtonsoft.Json falls
// back on such a comparison, except for $type.
var foldedFields = func() map[string]field {
	m := make(map[string]field, len(fields))
	for name, f := range fields {
		if f != fieldType {
			m[lower([]byte(name), make([]byte, 0, longestName))] = f
		}
	}
	return m
}()

// fieldOf finds the member with the given name.
func fieldOf(name []byte) field {
	if f, ok := fields[string(name)]; ok {
		return f
	}
	if len(name) > longestName {
		return fieldUnknown
	}
	var room [longestName]byte
	return foldedFields[lower(name, room[:0])]
}

func lower(name, room []byte) string {
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		room = append(room, c)
	}
	return string(room)
}
