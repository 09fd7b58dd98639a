package taskhub

import (
	"bytes"
	"context"
	"io"
	"iter"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/tables"
)

// ErrHistoryReplaced is matched by errors of reading a history in parts when the instance was started anew, or continued
// as new, behind the first part.
var ErrHistoryReplaced = tables.ErrHistoryReplaced

// CorruptHistoryError reports an instance whose stored history cannot be read, with the row and the column that are wrong.
type CorruptHistoryError = tables.CorruptHistoryError

// HistoryPage is a part of a history.
type HistoryPage struct {
	// Events are the events, oldest first, with all large values.
	Events []history.Event
	// Next continues the history; empty when it ends here. It is valid in other processes, too.
	Next string
}

// History returns the events of an instance's present execution, oldest first, with all large values. An instance that
// has not started yet has none. An unknown id gives an [InstanceNotFoundError], and damage a [CorruptHistoryError].
func (c *Client) History(ctx context.Context, instanceID string) ([]history.Event, error) {
	const operation = "read history"
	if err := c.checkID(operation, instanceID); err != nil {
		return nil, err
	}
	stored, err := c.hub.tables.LoadHistory(ctx, instanceID)
	if err != nil {
		return nil, c.fail(operation, instanceID, err)
	}
	if !stored.Exists {
		if _, err := c.row(ctx, operation, instanceID, tables.GetOptions{Raw: true}); err != nil {
			return nil, err
		}
	}
	events := make([]history.Event, len(stored.Records))
	for i, record := range stored.Records {
		events[i] = record.Event
	}
	return events, nil
}

// HistoryPage returns the part of an instance's history that begins at a token, up to size events; the empty token is
// the beginning, and a size of 0 stands for 1,000, the most there are on a page. Errors are those of [Client.History], and
// [ErrHistoryReplaced].
func (c *Client) HistoryPage(ctx context.Context, instanceID, token string, size int) (*HistoryPage, error) {
	const operation = "read history"
	if err := c.checkID(operation, instanceID); err != nil {
		return nil, err
	}
	events, next, exists, err := c.hub.tables.HistoryPage(ctx, instanceID, token, size)
	if err != nil {
		return nil, c.fail(operation, instanceID, err)
	}
	if !exists {
		if _, err := c.row(ctx, operation, instanceID, tables.GetOptions{Raw: true}); err != nil {
			return nil, err
		}
	}
	return &HistoryPage{Events: events, Next: next}, nil
}

// Events iterates over an instance's history and hides its pages. Memory use is that of one page. The iteration ends
// with the first error, which is one of [Client.HistoryPage].
func (c *Client) Events(ctx context.Context, instanceID string) iter.Seq2[history.Event, error] {
	return func(yield func(history.Event, error) bool) {
		for token, first := "", true; first || token != ""; first = false {
			page, err := c.HistoryPage(ctx, instanceID, token, 0)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, event := range page.Events {
				if !yield(event, nil) {
					return
				}
			}
			token = page.Next
		}
	}
}

// ExportHistory returns an instance's history as JSON, in the form of .NET's GetOrchestrationHistoryAsync, which package
// durabletest replays.
func (c *Client) ExportHistory(ctx context.Context, instanceID string) ([]byte, error) {
	events, err := c.History(ctx, instanceID)
	if err != nil {
		return nil, err
	}
	text, err := history.MarshalExport(events)
	if err != nil {
		return nil, c.fail("export history", instanceID, err)
	}
	return text, nil
}

// WriteHistory writes what [Client.ExportHistory] returns, page by page, for histories that are too long to be held in
// memory. When it fails, what was written so far is no complete JSON.
func (c *Client) WriteHistory(ctx context.Context, instanceID string, to io.Writer) error {
	const operation = "export history"
	separator := []byte("[")
	for token, first := "", true; first || token != ""; first = false {
		page, err := c.HistoryPage(ctx, instanceID, token, 0)
		if err != nil {
			return err
		}
		text, err := history.MarshalExport(page.Events)
		if err != nil {
			return c.fail(operation, instanceID, err)
		}
		text = bytes.TrimSuffix(bytes.TrimPrefix(text, []byte("[")), []byte("]"))
		if len(text) > 0 {
			if _, err := to.Write(append(separator, text...)); err != nil {
				return c.fail(operation, instanceID, err)
			}
			separator = []byte(",")
		}
		token = page.Next
	}
	end := "]"
	if separator[0] == '[' {
		end = "[]"
	}
	if _, err := io.WriteString(to, end); err != nil {
		return c.fail(operation, instanceID, err)
	}
	return nil
}
