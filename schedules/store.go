package schedules

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/internal/jsontext"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/storage"
)

var (
	// ErrNotFound is matched by errors about a schedule that does not exist.
	ErrNotFound = errors.New("there is no such schedule")
	// ErrExists is matched by the error of an insert of a schedule that exists.
	ErrExists = errors.New("the schedule exists")
	// ErrConflict is matched by the error of a change to a schedule that somebody else has changed since it was read.
	ErrConflict = errors.New("the schedule was changed by somebody else")
	// ErrToken is matched by the error about a continuation token that no listing returned.
	ErrToken = errors.New("the continuation token is not one that a listing of schedules returned; begin again without a token")
)

// Store is a hub's table of schedules. It is safe for concurrent use. The table is created with the first schedule.
type Store struct {
	account *storage.Account
	names   layout.Names
	table   *aztables.Client
}

// NewStore returns the schedules of a hub. It makes no request.
func NewStore(account *storage.Account, names layout.Names) *Store {
	return &Store{account: account, names: names, table: account.Tables().NewClient(names.SchedulesTable())}
}

func (s *Store) path(partition, name string) string {
	escape := func(key string) string { return url.PathEscape(strings.ReplaceAll(key, "'", "''")) }
	return "/" + s.names.SchedulesTable() + "(PartitionKey='" + escape(partition) + "',RowKey='" + escape(name) + "')"
}

// Get reads a schedule in one of the hub's partitions.
func (s *Store) Get(ctx context.Context, partition int, name string) (*Schedule, error) {
	return s.get(ctx, s.names.ControlQueue(partition), name)
}

func (s *Store) get(ctx context.Context, partition, name string) (*Schedule, error) {
	answer, err := s.account.CallTable(ctx, storage.TableCall{Method: http.MethodGet, Path: s.path(partition, name)})
	if err != nil {
		return nil, s.explain(err, "read", name)
	}
	found, err := decode(answer.Body, answer.ETag)
	if err != nil {
		return nil, s.explain(err, "read", name)
	}
	return found, nil
}

// Insert stores a new schedule in one of the hub's partitions, and creates the table when it is missing.
func (s *Store) Insert(ctx context.Context, partition int, schedule *Schedule) error {
	schedule.partition = s.names.ControlQueue(partition)
	schedule.revision = newRevision()
	body, err := schedule.encode()
	if err != nil {
		return s.explain(err, "create", schedule.Name)
	}
	insert := func() error {
		answer, err := s.account.CallTable(ctx, storage.TableCall{Method: http.MethodPost, Path: "/" + s.names.SchedulesTable(), Body: jsontext.ASCII(body)})
		schedule.etag = answer.ETag
		return err
	}
	if err = insert(); storage.HasCode(err, storage.CodeTableNotFound) {
		if err = s.create(ctx); err == nil {
			err = insert()
		}
	}
	return s.explain(s.settle(ctx, schedule, err), "create", schedule.Name)
}

// settle finds out whether a write was stored that failed: its answer may have been lost, and another attempt refused because of it.
func (s *Store) settle(ctx context.Context, schedule *Schedule, err error) error {
	if !storage.InDoubt(err) && !storage.IsPreconditionFailed(err) && !storage.HasCode(err, storage.CodeEntityAlreadyExists) {
		return err
	}
	answer, readErr := s.account.CallTable(ctx, storage.TableCall{Method: http.MethodGet, Path: s.path(schedule.partition, schedule.Name)})
	if readErr != nil {
		return err
	}
	if found, decodeErr := decode(answer.Body, answer.ETag); decodeErr != nil || found.revision != schedule.revision {
		return err
	}
	schedule.etag = answer.ETag
	return nil
}

// newRevision makes a text that tells a write apart from all others.
func newRevision() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func (s *Store) create(ctx context.Context) error {
	_, err := s.table.CreateTable(ctx, nil)
	if storage.HasCode(err, storage.CodeTableAlreadyExists) {
		return nil
	}
	return err
}

// Replace stores a schedule that was read, unless somebody else has changed it since.
func (s *Store) Replace(ctx context.Context, schedule *Schedule) error {
	schedule.revision = newRevision()
	body, err := schedule.encode()
	if err != nil {
		return s.explain(err, "change", schedule.Name)
	}
	answer, err := s.account.CallTable(ctx, storage.TableCall{
		Method: http.MethodPut, Path: s.path(schedule.partition, schedule.Name), Match: schedule.etag, Body: jsontext.ASCII(body),
	})
	if err != nil {
		return s.explain(s.settle(ctx, schedule, err), "change", schedule.Name)
	}
	schedule.etag = answer.ETag
	return nil
}

// Delete deletes a schedule that was read, unless somebody else has changed it since.
func (s *Store) Delete(ctx context.Context, schedule *Schedule) error {
	_, err := s.account.CallTable(ctx, storage.TableCall{Method: http.MethodDelete, Path: s.path(schedule.partition, schedule.Name), Match: schedule.etag})
	return s.explain(err, "delete", schedule.Name)
}

// maxPage is how many rows the Table service returns at most.
const maxPage = 1000

// List reads a page of the schedules, in the order of partitions and names: those of one partition, or all with a negative one. The
// token continues where an earlier page ended; empty begins. exists is false while the hub never had a schedule.
func (s *Store) List(ctx context.Context, partition int, token string, size int) (list []*Schedule, next string, exists bool, err error) {
	options := &aztables.ListEntitiesOptions{}
	if partition >= 0 {
		options.Filter = to.Ptr(colPartitionKey + " eq '" + s.names.ControlQueue(partition) + "'")
	}
	if token != "" {
		if options.NextPartitionKey, options.NextRowKey, err = parseToken(token); err != nil {
			return nil, "", false, err
		}
	}
	if size > 0 {
		options.Top = to.Ptr(int32(min(size, maxPage)))
	}
	page, err := s.table.NewListEntitiesPager(options).NextPage(ctx)
	if storage.HasCode(err, storage.CodeTableNotFound, storage.CodeTableBeingDeleted) {
		return nil, "", false, nil
	}
	if err != nil {
		return nil, "", false, s.explain(err, "list", "")
	}
	for _, raw := range page.Entities {
		one, err := decode(raw, "")
		if err != nil {
			return nil, "", true, s.explain(err, "list", "")
		}
		list = append(list, one)
	}
	return list, makeToken(page.NextPartitionKey, page.NextRowKey), true, nil
}

// All reads all pages of List.
func (s *Store) All(ctx context.Context, partition int) (list []*Schedule, exists bool, err error) {
	for token, first := "", true; first || token != ""; first = false {
		var page []*Schedule
		if page, token, exists, err = s.List(ctx, partition, token, 0); err != nil {
			return nil, exists, err
		}
		list = append(list, page...)
	}
	return list, exists, nil
}

func makeToken(partition, row *string) string {
	if partition == nil || *partition == "" {
		return ""
	}
	text := *partition + "\n"
	if row != nil {
		text += *row
	}
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

func parseToken(token string) (partition, row *string, err error) {
	text, err := base64.RawURLEncoding.DecodeString(token)
	first, second, ok := strings.Cut(string(text), "\n")
	if err != nil || !ok || first == "" {
		return nil, nil, ErrToken
	}
	return &first, &second, nil
}

// explain adds what was done to which schedule, and the errors that callers decide by.
func (s *Store) explain(err error, operation, name string) error {
	if err == nil {
		return nil
	}
	what := operation + " schedules"
	if name != "" {
		what = operation + " schedule " + quoted(name)
	}
	explained := storage.Explain(err, what)
	var kind error
	switch {
	case storage.HasCode(err, storage.CodeEntityAlreadyExists):
		kind = ErrExists
	case storage.IsPreconditionFailed(err):
		kind = ErrConflict
	case storage.IsNotFound(err):
		kind = ErrNotFound
	default:
		return fmt.Errorf("hub %q: %w", s.names.Hub(), explained)
	}
	return fmt.Errorf("hub %q: %w (%w)", s.names.Hub(), kind, explained)
}
