package tables

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
)

// Surveyed is what both tables say of an instance, without its values. Two that are equal show that nothing has changed.
type Surveyed struct {
	InstanceID string

	// HasRow says that there is a status row, which the fields that begin with Row describe.
	HasRow       bool
	RowHub       string
	RowExecution string
	RowStatus    history.Status
	RowWritten   time.Time // by the service's clock
	RowScheduled time.Time // when it is to start; zero for at once
	RowETag      string

	// HasHistory says that there are rows of events, and HasSentinel that there is the row that guards them.
	HasHistory, HasSentinel bool
	Execution               string // the one that the history belongs to, as that row says
	HistoryWritten          time.Time
	// FirstExecution is the execution that the first row of events belongs to, and FirstWritten when that row was written.
	FirstExecution string
	FirstWritten   time.Time
	// Ended says that the history of this execution is complete, and EndedAs how it ended.
	Ended   bool
	EndedAs string
	// Local says that the history names actions that exist nowhere else, and Outbox that messages are stored beside it.
	Local, Outbox bool
	// BadLocal says that it cannot be told which actions the history names.
	BadLocal bool
}

const (
	surveyedRow     = "PartitionKey,RowKey,Timestamp,ExecutionId,RuntimeStatus,TaskHubName,ScheduledStartTime"
	surveyedHistory = "PartitionKey,RowKey,Timestamp,ExecutionId,EventType,OrchestrationStatus,Local"
)

// surveyedMarks are the rows of History that say which execution there is and how it ended.
func surveyedMarks() string {
	return "(" + colRowKey + " eq " + quote(layout.SentinelRowKey) + ") or (" + colRowKey + " eq " + quote(layout.RowKey(0)) + ") or (" +
		colEventType + " eq " + quote(history.KindExecutionCompleted.String()) + ") or (" +
		colRowKey + " ge " + quote(outboxPrefix) + " and " + colRowKey + " lt 'outbox.')"
}

// Survey reads what the tables say of all instances. It reads the Instances table and, of History, the rows that say which
// execution there is and how it ended, by going through all rows once. Memory use is some hundred bytes for each instance.
func (s *Store) Survey(ctx context.Context) (map[string]*Surveyed, error) {
	found := map[string]*Surveyed{}
	of := func(row storedRow) *Surveyed {
		id := layout.UnescapeKey(row.text(colPartitionKey))
		if found[id] == nil {
			found[id] = &Surveyed{InstanceID: id}
		}
		return found[id]
	}
	ends := map[string][]storedRow{}
	err := s.scanAll(ctx, s.history, surveyedMarks(), surveyedHistory, func(row storedRow) { of(row).history(row, ends) })
	if err == nil {
		err = s.scanAll(ctx, s.instances, "", surveyedRow, func(row storedRow) { of(row).status(row) })
	}
	for id, rows := range ends {
		found[id].end(rows)
	}
	return found, err
}

// SurveyInstance reads what the tables say of one instance.
func (s *Store) SurveyInstance(ctx context.Context, instanceID string) (*Surveyed, error) {
	found := &Surveyed{InstanceID: instanceID}
	ends := map[string][]storedRow{}
	err := s.scanAll(ctx, s.history, keyFilter(instanceID)+" and ("+surveyedMarks()+")", surveyedHistory, func(row storedRow) { found.history(row, ends) })
	if err == nil {
		err = s.scanAll(ctx, s.instances, keyFilter(instanceID), surveyedRow, func(row storedRow) { found.status(row) })
	}
	found.end(ends[instanceID])
	return found, err
}

// scanAll reads all rows of a filter; a table that does not exist has none.
func (s *Store) scanAll(ctx context.Context, table *aztables.Client, filter, columns string, visit func(storedRow)) error {
	err := s.scan(ctx, table, filter, columns, func(row storedRow) bool { visit(row); return false })
	if errors.Is(err, ErrNoTables) {
		return nil
	}
	return err
}

func (v *Surveyed) history(row storedRow, ends map[string][]storedRow) {
	switch key := row.key(); {
	case key == layout.SentinelRowKey:
		v.HasSentinel, v.Execution = true, row.text(colExecutionID)
		v.HistoryWritten, _ = row.entity["Timestamp"].(time.Time)
		local, err := ParseLocal(row.text(colLocal))
		v.Local, v.BadLocal = err == nil && !local.Empty(), err != nil
	case strings.HasPrefix(key, outboxPrefix):
		v.Outbox = true
	default:
		v.HasHistory = true
		if key == layout.RowKey(0) {
			v.FirstExecution = row.text(colExecutionID)
			v.FirstWritten, _ = row.entity["Timestamp"].(time.Time)
		}
		if row.text(colEventType) == history.KindExecutionCompleted.String() {
			ends[v.InstanceID] = append(ends[v.InstanceID], row)
		}
	}
}

// end finds out whether one of the ends is that of the execution that counts.
func (v *Surveyed) end(rows []storedRow) {
	for _, row := range rows {
		if v.HasSentinel && strings.EqualFold(row.text(colExecutionID), v.Execution) {
			v.Ended, v.EndedAs = true, row.text(colOrchestrationStatus)
		}
	}
}

func (v *Surveyed) status(row storedRow) {
	r := columnReader{entity: row.entity}
	v.HasRow, v.RowHub, v.RowExecution, v.RowStatus, v.RowETag = true, r.text(colHub), r.text(colExecutionID), r.status(), row.etag
	v.RowWritten = r.time("Timestamp")
	if at := r.optionalTime(colScheduled); at != nil {
		v.RowScheduled = *at
	}
}
