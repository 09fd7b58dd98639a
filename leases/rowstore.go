package leases

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/go-taskhub/taskhub/storage"
)

// row is a line of the table {hub}Partitions. The partition key is the empty string, the row key the control queue's
// name. A nil or zero column is absent.
type row struct {
	queue        string
	currentOwner string
	nextOwner    string
	ownedSince   time.Time
	lastRenewal  time.Time
	expiresAt    time.Time
	isDraining   bool
	fleet        string // of the owner: "go"; .NET has no such column and drops it when it writes the row

	etag      string    // as read
	timestamp time.Time // of the last write, by the service's clock
}

// rowStore is the table of partitions. Errors are of the kinds errTaken, errMissing, errExists and errNoStore where
// they apply.
type rowStore interface {
	create(ctx context.Context) error // the table; no error when it exists
	remove(ctx context.Context) error // the table; no error when it does not exist

	// query reads all rows, and says when it did by the service's clock (whole seconds).
	query(ctx context.Context) (rows []row, service time.Time, err error)
	add(ctx context.Context, r row) error // errExists when the row exists
	// replace writes rows in one transaction, each only if it still has its etag, and returns the new etags. An etag is
	// empty when it could not be learnt.
	replace(ctx context.Context, rows []row) (etags []string, err error)
}

// azureRows is a rowStore on the Table service.
type azureRows struct {
	account *storage.Account
	table   *aztables.Client
	name    string
}

func newAzureRows(account *storage.Account, name string) *azureRows {
	return &azureRows{account: account, table: account.Tables().NewClient(name), name: name}
}

func (s *azureRows) create(ctx context.Context) error {
	_, err := s.table.CreateTable(ctx, nil)
	if storage.HasCode(err, storage.CodeTableAlreadyExists) {
		return nil
	}
	return s.fail(err, "create table "+s.name)
}

func (s *azureRows) remove(ctx context.Context) error {
	_, err := s.table.Delete(ctx, nil)
	if storage.IsNotFound(err) {
		return nil
	}
	return s.fail(err, "delete table "+s.name)
}

func (s *azureRows) query(ctx context.Context) ([]row, time.Time, error) {
	var rows []row
	var answer *http.Response
	ctx = policy.WithCaptureResponse(ctx, &answer)
	pager := s.table.NewListEntitiesPager(nil)
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, time.Time{}, s.fail(err, "query "+s.name)
		}
		for _, text := range page.Entities {
			r, err := decodeRow(text)
			if err != nil {
				return nil, time.Time{}, fmt.Errorf("query %s: %w", s.name, err)
			}
			rows = append(rows, r)
		}
	}
	return rows, serviceTime(answer), nil
}

// serviceTime reads the Date of an answer; zero when there is none.
func serviceTime(answer *http.Response) time.Time {
	if answer == nil {
		return time.Time{}
	}
	t, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return t
}

func (s *azureRows) add(ctx context.Context, r row) error {
	_, err := s.table.AddEntity(ctx, encodeRow(r), nil)
	if storage.HasCode(err, storage.CodeEntityAlreadyExists) {
		return &kindError{errExists, err}
	}
	return s.fail(err, "insert a row into "+s.name)
}

// replace composes the transaction itself: the SDK's client refuses rows whose partition key is the empty string,
// which all rows of this table have.
func (s *azureRows) replace(ctx context.Context, rows []row) ([]string, error) {
	boundary := "batch_" + newGUID()
	found, err := s.account.Transact(ctx, boundary, composeReplace(s.account.TableEndpoint(), boundary, s.name, rows))
	if err != nil {
		return nil, s.fail(err, "replace rows of "+s.name)
	}
	etags := make([]string, len(rows))
	copy(etags, found)
	return etags, nil
}

func (s *azureRows) fail(err error, operation string) error {
	if err == nil {
		return nil
	}
	explained := storage.Explain(err, operation)
	switch storage.StatusOf(err) {
	case http.StatusNotFound:
		if storage.HasCode(err, storage.CodeTableNotFound) {
			return &kindError{errNoStore, explained}
		}
		return &kindError{errMissing, explained}
	case http.StatusConflict, http.StatusPreconditionFailed:
		if storage.HasCode(err, storage.CodeTableBeingDeleted) {
			return fmt.Errorf("%w: try again in a minute", explained)
		}
		return &kindError{errTaken, explained}
	}
	return explained
}
