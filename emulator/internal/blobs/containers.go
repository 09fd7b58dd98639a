package blobs

import (
	"strings"

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
	a.lsn = s.log(func() []byte { return encodeProperties(a) })
	lsn := a.lsn
	a.mu.Unlock()
	return rest.NewResponse(202), s.env.Log.Wait(lsn)
}

func readPublicAccess(r *rest.Request) (rest.PublicAccess, error) {
	switch v := r.Header.Get("X-Ms-Blob-Public-Access"); v {
	case "":
		return rest.PublicNever, nil
	case "container", "true":
		return rest.PublicContainer, nil
	case "blob":
		return rest.PublicBlob, nil
	default:
		return 0, rest.InvalidHeader("x-ms-blob-public-access", v)
	}
}

func publicName(level rest.PublicAccess) string {
	return [...]string{"", "container", "blob"}[level]
}

func (s *Store) createContainer(r *rest.Request, name string) (*rest.Response, error) {
	metadata, err := r.ReadMetadata()
	if err != nil {
		return nil, err
	}
	public, err := readPublicAccess(r)
	if err != nil {
		return nil, err
	}
	a := s.accounts[r.Account]
	a.mu.Lock()
	_, exists := a.containers.Get(name)
	c := newContainer(name)
	if !exists {
		c.metadata, c.public = metadata, public
		c.version.stamp = s.env.Clock.Stamp()
		a.containers.Set(name, c)
		a.lsn = s.log(func() []byte { return encodeContainer(a.name, c) })
		c.lsn = a.lsn
	}
	lsn, v := a.lsn, c.version
	a.mu.Unlock()
	if err := s.env.Log.Wait(lsn); err != nil {
		return nil, err
	}
	if exists {
		return nil, errContainerExists
	}
	p := rest.NewResponse(201)
	v.setHeaders(p)
	return p, nil
}

func (s *Store) deleteContainer(r *rest.Request, name string) (*rest.Response, error) {
	cond, err := readConditions(r)
	if err != nil {
		return nil, err
	}
	a := s.accounts[r.Account]
	a.mu.Lock()
	c, ok := a.containers.Get(name)
	err = error(errContainerNotFound)
	lsn := a.lsn
	if ok {
		c.mu.Lock()
		if err = c.lease.check(r, rest.TicksOf(r.Now), "Container", true); err == nil {
			err = cond.check(r, c.version)
		}
		lsn = c.lsn
		if err == nil {
			c.deleted = true
			a.containers.Delete(name)
			a.lsn = s.log(func() []byte { return encodeNames(recDropContainer, a.name, name) })
			lsn = a.lsn
		}
		c.mu.Unlock()
	}
	a.mu.Unlock()
	if werr := s.env.Log.Wait(lsn); werr != nil {
		return nil, werr
	}
	return rest.NewResponse(202), err
}

func (s *Store) getContainer(r *rest.Request, name string) (*rest.Response, error) {
	p := rest.NewResponse(200)
	err := s.read(r, name, func(c *container) error {
		now := rest.TicksOf(r.Now)
		if err := c.lease.check(r, now, "Container", false); err != nil {
			return err
		}
		c.version.setHeaders(p)
		p.SetMetadata(c.metadata)
		c.lease.setHeaders(p, now)
		if c.public != rest.PublicNever {
			p.Set("X-Ms-Blob-Public-Access", publicName(c.public))
		}
		p.Set("X-Ms-Has-Immutability-Policy", "false")
		p.Set("X-Ms-Has-Legal-Hold", "false")
		p.Set("X-Ms-Default-Encryption-Scope", "$account-encryption-key")
		p.Set("X-Ms-Deny-Encryption-Scope-Override", "false")
		return nil
	})
	return p, err
}

// changeContainer runs a change of a container's own properties.
func (s *Store) changeContainer(r *rest.Request, name string, status int, fn func(*container)) (*rest.Response, error) {
	cond, err := readConditions(r)
	if err != nil {
		return nil, err
	}
	p := rest.NewResponse(status)
	err = s.write(r, name, func(c *container) error {
		if err := c.lease.check(r, rest.TicksOf(r.Now), "Container", false); err != nil {
			return err
		}
		if err := cond.check(r, c.version); err != nil {
			return err
		}
		fn(c)
		c.version.stamp = s.env.Clock.Stamp()
		c.lsn = s.log(func() []byte { return encodeContainer(r.Account, c) })
		c.version.setHeaders(p)
		return nil
	})
	return p, err
}

func (s *Store) setContainerMetadata(r *rest.Request, name string) (*rest.Response, error) {
	metadata, err := r.ReadMetadata()
	if err != nil {
		return nil, err
	}
	return s.changeContainer(r, name, 200, func(c *container) { c.metadata = metadata })
}

func (s *Store) setContainerACL(r *rest.Request, name string) (*rest.Response, error) {
	policies, err := service.ReadPolicies(r)
	if err != nil {
		return nil, err
	}
	public, err := readPublicAccess(r)
	if err != nil {
		return nil, err
	}
	return s.changeContainer(r, name, 200, func(c *container) { c.policies, c.public = policies, public })
}

func (s *Store) getContainerACL(r *rest.Request, name string) (*rest.Response, error) {
	p := rest.NewResponse(200)
	err := s.read(r, name, func(c *container) error {
		if err := c.lease.check(r, rest.TicksOf(r.Now), "Container", false); err != nil {
			return err
		}
		c.version.setHeaders(p)
		if c.public != rest.PublicNever {
			p.Set("X-Ms-Blob-Public-Access", publicName(c.public))
		}
		p.WithBody("application/xml", c.policies.XML())
		return nil
	})
	return p, err
}

func (s *Store) leaseContainer(r *rest.Request, name string) (*rest.Response, error) {
	q, cond, fresh, err := s.prepareLease(r)
	if err != nil {
		return nil, err
	}
	p := rest.NewResponse(200)
	err = s.write(r, name, func(c *container) error {
		if err := cond.check(r, c.version); err != nil {
			return err
		}
		if err := c.lease.apply(q, rest.TicksOf(r.Now), fresh, p); err != nil {
			return err
		}
		c.version.setHeaders(p)
		c.lsn = s.log(func() []byte { return encodeContainer(r.Account, c) })
		return nil
	})
	return p, err
}

func (s *Store) prepareLease(r *rest.Request) (q leaseRequest, cond conditions, fresh string, err error) {
	if q, err = readLeaseRequest(r); err != nil {
		return
	}
	if cond, err = readConditions(r); err != nil {
		return
	}
	if q.action == "acquire" && q.proposed == "" {
		fresh, err = s.env.IDs.Random()
	}
	return
}

const maxListed = 5000

func (s *Store) listContainers(r *rest.Request) (*rest.Response, error) {
	limit, err := listLimit(r)
	if err != nil {
		return nil, err
	}
	include, err := readInclude(r, "metadata", "deleted", "system")
	if err != nil {
		return nil, err
	}
	from, err := readMarker(r)
	if err != nil {
		return nil, err
	}
	prefix := r.Param("prefix")
	a := s.accounts[r.Account]
	b := listHead(r, "")
	b = append(b, "<Containers>"...)
	next, n := "", 0
	a.mu.RLock()
	lsn := a.lsn
	for name, c := range a.containers.From(max(prefix, from)) {
		if !strings.HasPrefix(name, prefix) {
			break
		}
		if n == limit {
			next = name
			break
		}
		n++
		c.mu.RLock()
		lsn = max(lsn, c.lsn)
		b = c.appendXML(b, rest.TicksOf(r.Now), include["metadata"])
		c.mu.RUnlock()
	}
	a.mu.RUnlock()
	b = append(b, "</Containers>"...)
	b = rest.AppendXMLElement(b, "NextMarker", writeMarker(next))
	b = append(b, "</EnumerationResults>"...)
	return rest.XML(200, b), s.env.Log.Wait(lsn)
}

func (c *container) appendXML(b []byte, now rest.Ticks, metadata bool) []byte {
	b = append(b, "<Container>"...)
	b = rest.AppendXMLElement(b, "Name", c.name)
	b = append(b, "<Properties>"...)
	b = rest.AppendXMLElement(b, "Last-Modified", rest.HTTPDate(c.version.modified()))
	b = rest.AppendXMLElement(b, "Etag", c.version.etag())
	b = c.lease.appendXML(b, now)
	if c.public != rest.PublicNever {
		b = rest.AppendXMLElement(b, "PublicAccess", publicName(c.public))
	}
	b = rest.AppendXMLElement(b, "HasImmutabilityPolicy", "false")
	b = rest.AppendXMLElement(b, "HasLegalHold", "false")
	b = append(b, "</Properties>"...)
	if metadata {
		b = c.metadata.AppendXML(b)
	}
	return append(b, "</Container>"...)
}
