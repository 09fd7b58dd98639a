package queues

import (
	"strings"

	"github.com/go-taskhub/taskhub/emulator/internal/journal"
	"github.com/go-taskhub/taskhub/emulator/internal/rest"
	"github.com/go-taskhub/taskhub/emulator/internal/service"
)

func (s *Store) stats(r *rest.Request) (*rest.Response, error) { return service.Stats(r) }

func (s *Store) getProperties(r *rest.Request) (*rest.Response, error) {
	a := s.accounts[r.Account]
	a.mu.RLock()
	body, lsn := a.properties.XML(), a.lsn
	a.mu.RUnlock()
	return rest.XML(200, body), s.env.Log.Wait(lsn)
}

func (s *Store) setProperties(r *rest.Request) (*rest.Response, error) {
	change, err := service.ReadProperties(r)
	if err != nil {
		return nil, err
	}
	a := s.accounts[r.Account]
	a.mu.Lock()
	a.properties = a.properties.With(change)
	a.lsn = s.logProperties(a)
	lsn := a.lsn
	a.mu.Unlock()
	return rest.NewResponse(202), s.env.Log.Wait(lsn)
}

const maxListed = 5000

type listed struct {
	name     string
	metadata rest.Metadata
}

func (s *Store) listQueues(r *rest.Request) (*rest.Response, error) {
	limit, err := r.IntParam("maxresults", maxListed, 1, 1<<31-1)
	if err != nil {
		return nil, err
	}
	limit = min(limit, maxListed)
	prefix, marker := r.Param("prefix"), r.Param("marker")
	include := r.Keyword("include")
	if include != "" && include != "metadata" {
		return nil, rest.InvalidParameter("include", include)
	}
	found, next, lsn := s.page(s.accounts[r.Account], prefix, strings.TrimPrefix(marker, "/"+r.Account+"/"), int(limit))
	b := rest.AppendXMLHeader(nil)
	b = append(b, "<EnumerationResults"...)
	b = rest.AppendXMLAttribute(b, "ServiceEndpoint", r.Base()+"/")
	b = append(b, '>')
	for _, e := range [...]rest.Meta{{Name: "Prefix", Value: prefix}, {Name: "Marker", Value: marker}, {Name: "MaxResults", Value: r.Param("maxresults")}} {
		if r.Query.Has(strings.ToLower(e.Name)) {
			b = rest.AppendXMLElement(b, e.Name, e.Value)
		}
	}
	b = append(b, "<Queues>"...)
	for _, q := range found {
		b = append(b, "<Queue>"...)
		b = rest.AppendXMLElement(b, "Name", q.name)
		if include == "metadata" {
			b = q.metadata.AppendXML(b)
		}
		b = append(b, "</Queue>"...)
	}
	b = append(b, "</Queues>"...)
	if next != "" {
		next = "/" + r.Account + "/" + next
	}
	b = rest.AppendXMLElement(b, "NextMarker", next)
	b = append(b, "</EnumerationResults>"...)
	return rest.XML(200, b), s.env.Log.Wait(lsn)
}

func (s *Store) page(a *account, prefix, marker string, limit int) (found []listed, next string, lsn journal.LSN) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	lsn = a.lsn
	for name, q := range a.queues.From(max(prefix, marker)) {
		if !strings.HasPrefix(name, prefix) {
			break
		}
		if len(found) == limit {
			return found, name, lsn
		}
		q.mu.Lock()
		found = append(found, listed{name, q.metadata})
		lsn = max(lsn, q.lsn)
		q.mu.Unlock()
	}
	return found, "", lsn
}
