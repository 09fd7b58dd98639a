// Package queues is Azure Queue Storage in memory: queues, their messages with
// visibility, expiry and pop receipts, and the REST operations on them.
package queues

import (
	"strings"
	"sync"

	"github.com/go-taskhub/taskhub/emulator/internal/journal"
	"github.com/go-taskhub/taskhub/emulator/internal/ordered"
	"github.com/go-taskhub/taskhub/emulator/internal/rest"
	"github.com/go-taskhub/taskhub/emulator/internal/service"
)

// Store holds the queues of all accounts.
type Store struct {
	env      *service.Env
	accounts map[string]*account
}

type account struct {
	name       string
	mu         sync.RWMutex
	queues     *ordered.Map[string, *queue]
	properties *service.Properties
	lsn        journal.LSN
}

// New makes an empty store.
func New(env *service.Env) *Store {
	s := &Store{env: env, accounts: make(map[string]*account, len(env.Accounts))}
	for _, name := range env.Accounts {
		s.accounts[name] = &account{
			name:       name,
			queues:     ordered.New[string, *queue](ordered.CompareText),
			properties: service.DefaultProperties(rest.Queue),
		}
	}
	return s
}

var errQueueNotFound = &rest.Error{Status: 404, Code: "QueueNotFound", Message: "The specified queue does not exist."}

// find locks a queue for the caller, who unlocks it.
func (s *Store) find(accountName, name string) (*queue, error) {
	a := s.accounts[accountName]
	a.mu.RLock()
	q, ok := a.queues.Get(name)
	lsn := a.lsn
	a.mu.RUnlock()
	if ok {
		q.mu.Lock()
		if !q.deleted {
			return q, nil
		}
		q.mu.Unlock()
	}
	if err := s.env.Log.Wait(lsn); err != nil {
		return nil, err
	}
	return nil, errQueueNotFound
}

// with runs fn on a locked queue and waits until what it saw or changed is
// durable.
func (s *Store) with(r *rest.Request, name string, fn func(*queue) error) error {
	q, err := s.find(r.Account, name)
	if err != nil {
		return err
	}
	err = fn(q)
	lsn := q.lsn
	q.mu.Unlock()
	if werr := s.env.Log.Wait(lsn); werr != nil {
		return werr
	}
	return err
}

// StoredPolicy implements rest.Directory.
func (s *Store) StoredPolicy(r *rest.Request, id string) (rest.Policy, bool) {
	name, _, _ := strings.Cut(r.Path, "/")
	q, err := s.find(r.Account, name)
	if err != nil {
		return rest.Policy{}, false
	}
	defer q.mu.Unlock()
	return q.policies.Find(id)
}

// PublicLevel implements rest.Directory; queues are never public.
func (s *Store) PublicLevel(*rest.Request) rest.PublicAccess { return rest.PublicNever }

// SASResource implements rest.Directory.
func (s *Store) SASResource(r *rest.Request) (string, bool) {
	name, _, _ := strings.Cut(r.Path, "/")
	return "/queue/" + r.Account + "/" + name, name != ""
}
