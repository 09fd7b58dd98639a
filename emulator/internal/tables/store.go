// Package tables is Azure Table Storage in memory: tables, partitions and
// entities, queries with $filter and continuation tokens, and entity-group
// transactions.
package tables

import (
	"strings"
	"sync"

	"github.com/go-taskhub/taskhub/emulator/internal/journal"
	"github.com/go-taskhub/taskhub/emulator/internal/ordered"
	"github.com/go-taskhub/taskhub/emulator/internal/rest"
	"github.com/go-taskhub/taskhub/emulator/internal/service"
)

// Store holds the tables of all accounts.
type Store struct {
	env      *service.Env
	accounts map[string]*account

	workspaces workspaces
}

type account struct {
	name string
	mu   sync.RWMutex
	// tables are found by their name in lower case, which is unique.
	tables     *ordered.Map[string, *table]
	properties *service.Properties
	lsn        journal.LSN
}

// table is one table. Whoever works on a partition holds mu for reading;
// adding and removing partitions, and the table's end, need it for writing.
type table struct {
	name string
	mu   sync.RWMutex

	deleted    bool
	policies   service.Policies
	partitions *ordered.Map[string, *partition]
	lsn        journal.LSN
}

// partition holds the entities of one partition key by row key.
type partition struct {
	key string
	mu  sync.RWMutex

	rows *ordered.Map[string, *entity]
	lsn  journal.LSN
}

// entity is one version of an entity; it is replaced, never changed.
type entity struct {
	partitionKey, rowKey string
	stamp                rest.Ticks
	packed               packed
}

// New makes an empty store.
func New(env *service.Env) *Store {
	s := &Store{env: env, accounts: make(map[string]*account, len(env.Accounts))}
	for _, name := range env.Accounts {
		s.accounts[name] = &account{
			name:       name,
			tables:     ordered.New[string, *table](ordered.CompareText),
			properties: service.DefaultProperties(rest.Table),
		}
	}
	return s
}

func newTable(name string) *table {
	return &table{name: name, partitions: ordered.New[string, *partition](ordered.CompareText)}
}

func newPartition(key string) *partition {
	return &partition{key: key, rows: ordered.New[string, *entity](ordered.CompareText)}
}

var (
	errTableNotFound = &rest.Error{Status: 404, Code: "TableNotFound",
		Message: "The table specified does not exist."}
	errTableExists = &rest.Error{Status: 409, Code: "TableAlreadyExists",
		Message: "The table specified already exists."}
	errNotFound = &rest.Error{Status: 404, Code: "ResourceNotFound",
		Message: "The specified resource does not exist."}
	errEntityExists = &rest.Error{Status: 409, Code: "EntityAlreadyExists",
		Message: "The specified entity already exists."}
	errConditionNotMet = &rest.Error{Status: 412, Code: "UpdateConditionNotSatisfied",
		Message: "The update condition specified in the request was not satisfied."}
)

func (s *Store) lookup(accountName, name string) (*table, journal.LSN) {
	a := s.accounts[accountName]
	a.mu.RLock()
	defer a.mu.RUnlock()
	t, _ := a.tables.Get(strings.ToLower(name))
	return t, a.lsn
}

// find returns a table locked for reading; the caller unlocks it.
func (s *Store) find(accountName, name string) (*table, error) {
	t, lsn := s.lookup(accountName, name)
	if t != nil {
		t.mu.RLock()
		if !t.deleted {
			return t, nil
		}
		t.mu.RUnlock()
	}
	if err := s.env.Log.Wait(lsn); err != nil {
		return nil, err
	}
	return nil, errTableNotFound
}

// change runs fn on the partition with a key, which nobody else sees
// meanwhile; the partition may be empty. It waits until what fn saw or
// changed is durable.
func (s *Store) change(accountName, tableName, key string, fn func(*table, *partition) error) error {
	t, p, err := s.findPartition(accountName, tableName, key)
	if err != nil {
		return err
	}
	p.mu.Lock()
	err = fn(t, p)
	lsn, empty := max(p.lsn, t.lsn), p.rows.Len() == 0
	p.mu.Unlock()
	t.mu.RUnlock()
	if empty {
		t.dropEmpty(key)
	}
	if werr := s.env.Log.Wait(lsn); werr != nil {
		return werr
	}
	return err
}

// findPartition returns a partition, made where there is none, with its table
// locked for reading.
func (s *Store) findPartition(accountName, tableName, key string) (*table, *partition, error) {
	for {
		t, err := s.find(accountName, tableName)
		if err != nil {
			return nil, nil, err
		}
		if p, ok := t.partitions.Get(key); ok {
			return t, p, nil
		}
		t.mu.RUnlock()
		t.mu.Lock()
		if _, ok := t.partitions.Get(key); !ok && !t.deleted {
			key = strings.Clone(key) // which is a part of a request
			t.partitions.Set(key, newPartition(key))
		}
		t.mu.Unlock()
	}
}

// dropEmpty removes a partition that holds nothing.
func (t *table) dropEmpty(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p, ok := t.partitions.Get(key); ok && p.rows.Len() == 0 {
		t.lsn = max(t.lsn, p.lsn)
		t.partitions.Delete(key)
	}
}

// StoredPolicy implements rest.Directory.
func (s *Store) StoredPolicy(r *rest.Request, id string) (rest.Policy, bool) {
	t, _ := s.lookup(r.Account, tableOf(r.Path))
	if t == nil {
		return rest.Policy{}, false
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.policies.Find(id)
}

// PublicLevel implements rest.Directory; tables are never public.
func (s *Store) PublicLevel(*rest.Request) rest.PublicAccess { return rest.PublicNever }

// SASResource implements rest.Directory: a table SAS names its table in tn. A
// batch is addressed to no table; its operations are checked one by one.
func (s *Store) SASResource(r *rest.Request) (string, bool) {
	name := strings.ToLower(r.Param("tn"))
	if name == "" {
		return "", false
	}
	if addressed := tableOf(r.Path); addressed != "$batch" && !strings.EqualFold(addressed, name) {
		return "", false
	}
	return "/table/" + r.Account + "/" + name, true
}

// tableOf is the table that a path addresses.
func tableOf(path string) string {
	name, _, _ := strings.Cut(path, "(")
	return strings.TrimSuffix(name, "/")
}
