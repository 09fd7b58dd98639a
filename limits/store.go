package limits

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/internal/edm"
	"github.com/go-taskhub/taskhub/internal/jsontext"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/storage"
)

var (
	// ErrNotFound is matched by errors about a limit that the hub does not know.
	ErrNotFound = errors.New("there is no such limit")
	// ErrNotSet is matched by the error of [Store.Reset] for a limit for which nothing was set.
	ErrNotSet = errors.New("nothing was set for the limit")
	// errConflict is matched by the error of a write of a row that somebody else has changed.
	errConflict = errors.New("the row was changed by somebody else")
)

// Store is a hub's table of limits. It is safe for concurrent use. The table is created with the first limit.
type Store struct {
	account *storage.Account
	names   layout.Names
	table   *aztables.Client
}

// NewStore returns the limits of a hub. It makes no request.
func NewStore(account *storage.Account, names layout.Names) *Store {
	return &Store{account: account, names: names, table: account.Tables().NewClient(names.LimitsTable())}
}

func (s *Store) path(limit, row string) string {
	return "/" + s.names.LimitsTable() + "(PartitionKey='" + url.PathEscape(limit) + "',RowKey='" + url.PathEscape(row) + "')"
}

// get reads a row; nil when it is not there.
func (s *Store) get(ctx context.Context, limit, row string) (edm.Entity, storage.TableAnswer, error) {
	answer, err := s.account.CallTable(ctx, storage.TableCall{Method: http.MethodGet, Path: s.path(limit, row)})
	if storage.IsNotFound(err) || storage.HasCode(err, storage.CodeTableBeingDeleted) {
		return nil, storage.TableAnswer{}, nil
	}
	if err != nil {
		return nil, answer, s.explain(err, "read", limit)
	}
	entity, _, err := edm.UnmarshalWithETag(answer.Body)
	if err != nil {
		return nil, answer, s.explain(err, "read", limit)
	}
	return entity, answer, nil
}

// put writes a row: a new one without an ETag, else the one that has it.
func (s *Store) put(ctx context.Context, limit, row, etag string, body []byte) (storage.TableAnswer, error) {
	call := storage.TableCall{Method: http.MethodPut, Path: s.path(limit, row), Match: etag, Body: jsontext.ASCII(body)}
	if etag == "" {
		call.Method, call.Path = http.MethodPost, "/"+s.names.LimitsTable()
	}
	answer, err := s.account.CallTable(ctx, call)
	if etag == "" && storage.HasCode(err, storage.CodeTableNotFound) {
		if err = s.create(ctx); err == nil {
			answer, err = s.account.CallTable(ctx, call)
		}
	}
	return answer, s.explain(err, "change", limit)
}

func (s *Store) create(ctx context.Context) error {
	_, err := s.table.CreateTable(ctx, nil)
	if storage.HasCode(err, storage.CodeTableAlreadyExists) {
		return nil
	}
	return err
}

// readState reads the row of a limit and key, an empty one where there is none.
func (s *Store) readState(ctx context.Context, limit, key string) (*state, storage.TableAnswer, error) {
	entity, answer, err := s.get(ctx, limit, rowKey(key))
	if err != nil || entity == nil {
		return &state{limit: limit, key: key}, answer, err
	}
	return decodeState(entity, answer.ETag), answer, nil
}

// Get reads the definition of a limit.
func (s *Store) Get(ctx context.Context, name string) (*Definition, error) {
	d, _, err := s.definition(ctx, name)
	return d, err
}

func (s *Store) definition(ctx context.Context, name string) (*Definition, storage.TableAnswer, error) {
	entity, answer, err := s.get(ctx, name, definitionRow)
	switch {
	case err != nil:
		return nil, answer, err
	case entity == nil:
		return nil, answer, fmt.Errorf("hub %q: limit %q: %w", s.names.Hub(), name, ErrNotFound)
	}
	return decodeDefinition(entity, answer.ETag), answer, nil
}

// changeAttempts is how often a change of a definition is tried that others change, too.
const changeAttempts = 8

// Declare stores the definition that a program's code has, unless the hub has it, and returns the one that holds. A limit of the other
// kind gives a [*durable.LimitError].
func (s *Store) Declare(ctx context.Context, spec durable.LimitSpec, now time.Time) (*Definition, error) {
	spec, err := spec.Normalize()
	if err != nil {
		return nil, err
	}
	return s.change(ctx, spec.Name, true, func(d *Definition) (bool, error) {
		if d.etag != "" && d.Problem == "" && d.Declared.Kind != spec.Kind {
			return false, &durable.LimitError{
				Limit: spec.Name, Field: "Kind",
				Reason: fmt.Sprintf("is %s, but the hub has a %s limit of this name; choose another name, or delete that one", spec.Kind, d.Declared.Kind),
			}
		}
		if d.etag != "" && d.Problem == "" && d.Declared == spec {
			return false, nil
		}
		d.Declared, d.UpdatedAt = spec, now
		return true, nil
	})
}

// Set stores a definition that holds in place of the code's. An unknown limit gives ErrNotFound.
func (s *Store) Set(ctx context.Context, spec durable.LimitSpec, now time.Time) (*Definition, error) {
	spec, err := spec.Normalize()
	if err != nil {
		return nil, err
	}
	return s.change(ctx, spec.Name, false, func(d *Definition) (bool, error) {
		if d.Declared.Kind != spec.Kind {
			return false, &durable.LimitError{Limit: spec.Name, Field: "Kind", Reason: fmt.Sprintf("is %s, but the code declares a %s limit of this name", spec.Kind, d.Declared.Kind)}
		}
		d.Set, d.SetAt = &spec, now
		return true, nil
	})
}

// Reset removes what was set, so that the code's definition holds again.
func (s *Store) Reset(ctx context.Context, name string) (*Definition, error) {
	return s.change(ctx, name, false, func(d *Definition) (bool, error) {
		if d.Set == nil && d.Problem == "" {
			return false, fmt.Errorf("hub %q: limit %q: %w", s.names.Hub(), name, ErrNotSet)
		}
		d.Set, d.SetAt = nil, time.Time{}
		return true, nil
	})
}

// change reads a definition, changes it and stores it unless somebody else has changed it meanwhile; then it begins anew.
func (s *Store) change(ctx context.Context, name string, create bool, do func(*Definition) (bool, error)) (*Definition, error) {
	for attempt := 1; ; attempt++ {
		d, _, err := s.definition(ctx, name)
		if create && errors.Is(err, ErrNotFound) {
			d, err = &Definition{}, nil
		}
		if err != nil {
			return nil, err
		}
		changed, err := do(d)
		if err != nil || !changed {
			return d, err
		}
		body, err := d.encode()
		if err != nil {
			return nil, s.explain(err, "change", name)
		}
		answer, err := s.put(ctx, name, definitionRow, d.etag, body)
		if err == nil {
			d.etag, d.Problem = answer.ETag, ""
			return d, nil
		}
		if !errors.Is(err, errConflict) || attempt == changeAttempts {
			return nil, err
		}
	}
}

// Delete deletes a limit with all that is known of its use.
func (s *Store) Delete(ctx context.Context, name string) error {
	list, _, err := s.rows(ctx, name)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fmt.Errorf("hub %q: limit %q: %w", s.names.Hub(), name, ErrNotFound)
	}
	// The definition goes last: should this fail, the limit can be deleted again.
	slices.SortFunc(list, func(a, b edm.Entity) int {
		last := func(e edm.Entity) int {
			if e[colRowKey] == definitionRow {
				return 1
			}
			return 0
		}
		return cmp.Compare(last(a), last(b))
	})
	for _, row := range list {
		key, _ := row[colRowKey].(string)
		_, err := s.account.CallTable(ctx, storage.TableCall{Method: http.MethodDelete, Path: s.path(name, key), Match: "*"})
		if err != nil && !storage.IsNotFound(err) {
			return s.explain(err, "delete", name)
		}
	}
	return nil
}

// rows reads all rows of a limit, or of all limits with an empty name, and the service's time.
func (s *Store) rows(ctx context.Context, name string) (list []edm.Entity, now time.Time, err error) {
	options := &aztables.ListEntitiesOptions{}
	if name != "" {
		options.Filter = to.Ptr(colPartitionKey + " eq '" + name + "'")
	}
	var answer *http.Response
	pager := s.table.NewListEntitiesPager(options)
	for pager.More() {
		page, err := pager.NextPage(policy.WithCaptureResponse(ctx, &answer))
		if storage.HasCode(err, storage.CodeTableNotFound, storage.CodeTableBeingDeleted) {
			return nil, time.Time{}, nil
		}
		if err != nil {
			return nil, time.Time{}, s.explain(err, "list", name)
		}
		for _, raw := range page.Entities {
			row, _, err := edm.UnmarshalWithETag(raw)
			if err != nil {
				return nil, time.Time{}, s.explain(err, "list", name)
			}
			list = append(list, row)
		}
	}
	if answer != nil {
		now, _ = http.ParseTime(answer.Header.Get("Date"))
	}
	return list, now, nil
}

// explain adds what was done to which limit, and the errors that callers decide by.
func (s *Store) explain(err error, operation, limit string) error {
	if err == nil {
		return nil
	}
	what := operation + " limits"
	if limit != "" {
		what = operation + " limit " + strconv.Quote(limit)
	}
	explained := storage.Explain(err, what)
	if storage.HasCode(err, storage.CodeEntityAlreadyExists) || storage.IsPreconditionFailed(err) || storage.IsNotFound(err) && !storage.HasCode(err, storage.CodeTableNotFound) {
		return fmt.Errorf("hub %q: %w (%w)", s.names.Hub(), errConflict, explained)
	}
	return fmt.Errorf("hub %q: %w", s.names.Hub(), explained)
}
