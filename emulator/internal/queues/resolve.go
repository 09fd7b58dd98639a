package queues

import (
	"net/http"
	"strings"

	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// Resolve implements service.Backend.
func (s *Store) Resolve(r *rest.Request) (rest.Operation, error) {
	name, below, nested := strings.Cut(r.Path, "/")
	switch {
	case name == "":
		return s.resolveService(r)
	case !nested || below == "":
		return s.resolveQueue(r, name)
	case below == "messages" || below == "messages/":
		return s.resolveMessages(r, name)
	}
	id, ok := strings.CutPrefix(below, "messages/")
	if !ok || strings.Contains(id, "/") {
		return rest.Operation{}, rest.ErrInvalidURI
	}
	return s.resolveMessage(r, name, id)
}

func (s *Store) resolveService(r *rest.Request) (rest.Operation, error) {
	restype, comp := r.Keyword("restype"), r.Keyword("comp")
	switch {
	case restype == "" && comp == "list" && r.Method() == http.MethodGet:
		return rest.Operation{Name: "ListQueues", Run: s.listQueues,
			Access: rest.Access{Resource: 's', Account: "l"}}, nil
	case restype == "service" && comp == "properties" && r.Method() == http.MethodGet:
		return rest.Operation{Name: "GetQueueServiceProperties", Run: s.getProperties,
			Access: rest.Access{Resource: 's', Account: "r"}}, nil
	case restype == "service" && comp == "properties" && r.Method() == http.MethodPut:
		return rest.Operation{Name: "SetQueueServiceProperties", Run: s.setProperties,
			Access: rest.Access{Resource: 's', Account: "w", Write: true}}, nil
	case restype == "service" && comp == "stats" && r.Method() == http.MethodGet:
		return rest.Operation{Name: "GetQueueServiceStats", Run: s.stats,
			Access: rest.Access{Resource: 's', Account: "r"}}, nil
	}
	return unknown(r)
}

func (s *Store) resolveQueue(r *rest.Request, name string) (rest.Operation, error) {
	bind := func(fn func(*rest.Request, string) (*rest.Response, error)) func(*rest.Request) (*rest.Response, error) {
		return func(r *rest.Request) (*rest.Response, error) {
			if err := rest.CheckDNSName(name); err != nil {
				return nil, err
			}
			return fn(r, name)
		}
	}
	method, comp := r.Method(), r.Keyword("comp")
	read := method == http.MethodGet || method == http.MethodHead
	switch {
	case comp == "" && method == http.MethodPut:
		return rest.Operation{Name: "CreateQueue", Run: bind(s.create),
			Access: rest.Access{Resource: 'c', Account: "cw", Write: true}}, nil
	case comp == "" && method == http.MethodDelete:
		return rest.Operation{Name: "DeleteQueue", Run: bind(s.delete),
			Access: rest.Access{Resource: 'c', Account: "d", Write: true}}, nil
	case comp == "metadata" && read:
		return rest.Operation{Name: "GetQueueMetadata", Run: bind(s.getMetadata),
			Access: rest.Access{Resource: 'c', Account: "r", Service: "r"}}, nil
	case comp == "metadata" && method == http.MethodPut:
		return rest.Operation{Name: "SetQueueMetadata", Run: bind(s.setMetadata),
			Access: rest.Access{Resource: 'c', Account: "w", Write: true}}, nil
	case comp == "acl" && read:
		return rest.Operation{Name: "GetQueueACL", Run: bind(s.getACL), Access: rest.Access{Resource: 'c'}}, nil
	case comp == "acl" && method == http.MethodPut:
		return rest.Operation{Name: "SetQueueACL", Run: bind(s.setACL), Access: rest.Access{Resource: 'c', Write: true}}, nil
	}
	return unknown(r)
}

func (s *Store) resolveMessages(r *rest.Request, name string) (rest.Operation, error) {
	bind := func(fn func(*rest.Request, string) (*rest.Response, error)) func(*rest.Request) (*rest.Response, error) {
		return func(r *rest.Request) (*rest.Response, error) { return fn(r, name) }
	}
	switch r.Method() {
	case http.MethodPost:
		return rest.Operation{Name: "PutMessage", Run: bind(s.put),
			Access: rest.Access{Resource: 'o', Account: "a", Service: "a", Write: true}}, nil
	case http.MethodDelete:
		return rest.Operation{Name: "ClearMessages", Run: bind(s.clear),
			Access: rest.Access{Resource: 'o', Account: "d", Service: "p", Write: true}}, nil
	case http.MethodGet:
		if r.Keyword("peekonly") == "true" {
			return rest.Operation{Name: "PeekMessages", Run: bind(s.peek),
				Access: rest.Access{Resource: 'o', Account: "r", Service: "r"}}, nil
		}
		return rest.Operation{Name: "GetMessages", Run: bind(s.get),
			Access: rest.Access{Resource: 'o', Account: "p", Service: "p", Write: true}}, nil
	}
	return unknown(r)
}

func (s *Store) resolveMessage(r *rest.Request, name, id string) (rest.Operation, error) {
	bind := func(fn func(*rest.Request, string, string) (*rest.Response, error)) func(*rest.Request) (*rest.Response, error) {
		return func(r *rest.Request) (*rest.Response, error) { return fn(r, name, id) }
	}
	switch r.Method() {
	case http.MethodPut:
		return rest.Operation{Name: "UpdateMessage", Run: bind(s.update),
			Access: rest.Access{Resource: 'o', Account: "u", Service: "u", Write: true}}, nil
	case http.MethodDelete:
		return rest.Operation{Name: "DeleteMessage", Run: bind(s.deleteMessage),
			Access: rest.Access{Resource: 'o', Account: "p", Service: "p", Write: true}}, nil
	}
	return unknown(r)
}

// unknown refuses a combination of verb and parameters that no operation has.
func unknown(r *rest.Request) (rest.Operation, error) {
	if comp := r.Keyword("comp"); comp != "" {
		switch comp {
		case "list", "properties", "stats", "metadata", "acl":
		default:
			return rest.Operation{}, rest.InvalidParameter("comp", comp)
		}
	}
	return rest.Operation{}, rest.ErrUnsupportedVerb
}
