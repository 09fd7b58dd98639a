// Package blobs is Azure Blob Storage in memory: containers and block blobs
// with leases, conditional requests, blocks, ranges and listings.
package blobs

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/go-taskhub/taskhub/emulator/internal/journal"
	"github.com/go-taskhub/taskhub/emulator/internal/ordered"
	"github.com/go-taskhub/taskhub/emulator/internal/rest"
	"github.com/go-taskhub/taskhub/emulator/internal/service"
)

// Store holds the containers of all accounts.
type Store struct {
	env       *service.Env
	accounts  map[string]*account
	nextChunk atomic.Uint64
	// loading finds chunks by number while a directory is being loaded.
	loading map[uint64]*chunk
}

type account struct {
	name       string
	mu         sync.RWMutex
	containers *ordered.Map[string, *container]
	properties *service.Properties
	lsn        journal.LSN
}

// container is one container; mu guards everything below it.
type container struct {
	name string
	mu   sync.RWMutex

	deleted  bool
	version  version
	metadata rest.Metadata
	policies service.Policies
	public   rest.PublicAccess
	lease    lease
	blobs    *ordered.Map[string, *blob]
	lsn      journal.LSN
}

// blob is a block blob, or the blocks of one that was never committed. Its
// pieces are replaced as a whole and never changed, so readers may keep them.
type blob struct {
	name      string
	committed bool
	created   rest.Ticks
	version   version
	headers   contentHeaders
	metadata  rest.Metadata
	tier      string
	lease     lease
	blocks    []block
	size      int64
	staged    map[string]stagedBlock
}

// block is a committed piece; a blob uploaded whole has one without an id.
type block struct {
	id    string
	chunk *chunk
}

type stagedBlock struct {
	chunk *chunk
	at    rest.Ticks
}

// chunk is immutable data. Journal records refer to it by number.
type chunk struct {
	number uint64
	data   []byte
	// missing marks a chunk that a record names and no record holds.
	missing bool
}

// contentHeaders are the properties a client gives a blob's content.
type contentHeaders struct {
	contentType, encoding, language, cacheControl, disposition string
	md5                                                        string
}

// New makes an empty store.
func New(env *service.Env) *Store {
	s := &Store{env: env, accounts: make(map[string]*account, len(env.Accounts)), loading: make(map[uint64]*chunk)}
	for _, name := range env.Accounts {
		s.accounts[name] = &account{
			name:       name,
			containers: ordered.New[string, *container](ordered.CompareText),
			properties: service.DefaultProperties(rest.Blob),
		}
	}
	return s
}

func newContainer(name string) *container {
	return &container{name: name, blobs: ordered.New[string, *blob](ordered.CompareText)}
}

var (
	errContainerNotFound = &rest.Error{Status: 404, Code: "ContainerNotFound",
		Message: "The specified container does not exist."}
	errContainerExists = &rest.Error{Status: 409, Code: "ContainerAlreadyExists",
		Message: "The specified container already exists."}
	errBlobNotFound = &rest.Error{Status: 404, Code: "BlobNotFound",
		Message: "The specified blob does not exist."}
	errBlobExists = &rest.Error{Status: 409, Code: "BlobAlreadyExists",
		Message: "The specified blob already exists."}
)

func (s *Store) lookup(accountName, name string) (*container, journal.LSN) {
	a := s.accounts[accountName]
	a.mu.RLock()
	defer a.mu.RUnlock()
	c, _ := a.containers.Get(name)
	return c, a.lsn
}

// read runs fn on a container that nobody changes meanwhile, and waits until
// what it saw is durable.
func (s *Store) read(r *rest.Request, name string, fn func(*container) error) error {
	c, lsn := s.lookup(r.Account, name)
	err := error(errContainerNotFound)
	if c != nil {
		c.mu.RLock()
		if !c.deleted {
			lsn, err = c.lsn, fn(c)
		}
		c.mu.RUnlock()
	}
	if werr := s.env.Log.Wait(lsn); werr != nil {
		return werr
	}
	return err
}

// write runs fn on a container that nobody else sees meanwhile, and waits
// until what it changed is durable.
func (s *Store) write(r *rest.Request, name string, fn func(*container) error) error {
	c, lsn := s.lookup(r.Account, name)
	err := error(errContainerNotFound)
	if c != nil {
		c.mu.Lock()
		if !c.deleted {
			err = fn(c)
			lsn = c.lsn
		}
		c.mu.Unlock()
	}
	if werr := s.env.Log.Wait(lsn); werr != nil {
		return werr
	}
	return err
}

// committed returns a blob that readers can see.
func (c *container) committed(name string) (*blob, error) {
	b, ok := c.blobs.Get(name)
	if !ok || !b.committed {
		return nil, errBlobNotFound
	}
	return b, nil
}

// change prepares a write to a blob's properties: it must exist, the
// conditions must hold and the lease must allow it.
func (c *container) change(r *rest.Request, name string) (*blob, error) {
	b, err := c.committed(name)
	if err != nil {
		return nil, err
	}
	cond, err := readConditions(r)
	if err != nil {
		return nil, err
	}
	if err := cond.check(r, b.version); err != nil {
		return nil, err
	}
	return b, b.lease.check(r, rest.TicksOf(r.Now), "Blob", true)
}

func split(path string) (containerName, blobName string) {
	containerName, blobName, _ = strings.Cut(path, "/")
	return containerName, blobName
}

// StoredPolicy implements rest.Directory.
func (s *Store) StoredPolicy(r *rest.Request, id string) (rest.Policy, bool) {
	name, _ := split(r.Path)
	c, _ := s.lookup(r.Account, name)
	if c == nil {
		return rest.Policy{}, false
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.policies.Find(id)
}

// PublicLevel implements rest.Directory.
func (s *Store) PublicLevel(r *rest.Request) rest.PublicAccess {
	name, _ := split(r.Path)
	c, _ := s.lookup(r.Account, name)
	if c == nil {
		return rest.PublicNever
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.public
}

// SASResource implements rest.Directory: sr is c for a container and b for a
// blob; snapshots, versions and directories do not exist here.
func (s *Store) SASResource(r *rest.Request) (string, bool) {
	name, blobName := split(r.Path)
	switch {
	case name == "":
		return "", false
	case r.Param("sr") == "c":
		return "/blob/" + r.Account + "/" + name, true
	case r.Param("sr") == "b" && blobName != "":
		return "/blob/" + r.Account + "/" + name + "/" + blobName, true
	}
	return "", false
}
