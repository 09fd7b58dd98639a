package queues

import (
	"strconv"

	"github.com/go-taskhub/taskhub/emulator/internal/rest"
	"github.com/go-taskhub/taskhub/emulator/internal/service"
)

var errQueueExists = &rest.Error{Status: 409, Code: "QueueAlreadyExists", Message: "The specified queue already exists."}

func (s *Store) create(r *rest.Request, name string) (*rest.Response, error) {
	metadata, err := r.ReadMetadata()
	if err != nil {
		return nil, err
	}
	a := s.accounts[r.Account]
	a.mu.Lock()
	status := 201
	if q, ok := a.queues.Get(name); ok {
		q.mu.Lock()
		status = 204
		if !q.metadata.Equal(metadata) {
			status = 0
		}
		q.mu.Unlock()
	} else {
		q = newQueue(name, metadata)
		a.queues.Set(name, q)
		a.lsn = s.logQueue(a.name, q)
		q.lsn = a.lsn
	}
	lsn := a.lsn
	a.mu.Unlock()
	if err := s.env.Log.Wait(lsn); err != nil {
		return nil, err
	}
	if status == 0 {
		return nil, errQueueExists
	}
	return rest.NewResponse(status), nil
}

func (s *Store) delete(r *rest.Request, name string) (*rest.Response, error) {
	a := s.accounts[r.Account]
	a.mu.Lock()
	q, ok := a.queues.Get(name)
	if ok {
		a.queues.Delete(name)
		q.mu.Lock()
		q.deleted = true
		a.lsn = s.logDrop(a.name, name)
		q.mu.Unlock()
	}
	lsn := a.lsn
	a.mu.Unlock()
	if err := s.env.Log.Wait(lsn); err != nil {
		return nil, err
	}
	if !ok {
		return nil, errQueueNotFound
	}
	return rest.NewResponse(204), nil
}

func (s *Store) getMetadata(r *rest.Request, name string) (*rest.Response, error) {
	p := rest.NewResponse(200)
	err := s.with(r, name, func(q *queue) error {
		q.now(s.env.Clock)
		p.SetMetadata(q.metadata)
		p.Set("X-Ms-Approximate-Messages-Count", strconv.Itoa(len(q.messages)))
		return nil
	})
	return p, err
}

func (s *Store) setMetadata(r *rest.Request, name string) (*rest.Response, error) {
	metadata, err := r.ReadMetadata()
	if err != nil {
		return nil, err
	}
	err = s.with(r, name, func(q *queue) error {
		q.metadata = metadata
		q.lsn = s.logQueue(r.Account, q)
		return nil
	})
	return rest.NewResponse(204), err
}

func (s *Store) getACL(r *rest.Request, name string) (*rest.Response, error) {
	var body []byte
	err := s.with(r, name, func(q *queue) error {
		body = q.policies.XML()
		return nil
	})
	return rest.XML(200, body), err
}

func (s *Store) setACL(r *rest.Request, name string) (*rest.Response, error) {
	policies, err := service.ReadPolicies(r)
	if err != nil {
		return nil, err
	}
	err = s.with(r, name, func(q *queue) error {
		q.policies = policies
		q.lsn = s.logQueue(r.Account, q)
		return nil
	})
	return rest.NewResponse(204), err
}
