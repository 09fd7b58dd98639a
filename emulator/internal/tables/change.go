package tables

import (
	"net/url"
	"slices"
	"strings"

	"github.com/go-taskhub/taskhub/emulator/internal/odata"
	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// change is one insert, update or delete of an entity.
type change struct {
	kind                 kind
	table                string
	partitionKey, rowKey string
	match                string
	properties           []odata.Property
	// Answer: what Prefer asks for and how much metadata a body has.
	noContent, echo bool
	level           odata.Level
	contentID       string
}

// getter finds a header: that of a request, or of a part of a batch.
type getter interface{ Get(name string) string }

// read fills a change from the headers and the body of its request.
func (c *change) read(header getter, body string, reader *odata.EntityReader) error {
	c.match = header.Get("If-Match")
	c.noContent, c.echo = preferNoContent(header.Get("Prefer"))
	level, err := parseLevel(header.Get("Accept"))
	if err != nil {
		return err
	}
	c.level = level
	if c.kind == remove {
		if c.match == "" {
			return rest.MissingHeader("If-Match")
		}
		return c.checkMatch()
	}
	if err := checkContentType(header.Get("Content-Type")); err != nil {
		return err
	}
	parsed, err := reader.Read(body)
	if err != nil {
		return err
	}
	c.properties = parsed.Properties
	if c.kind == insert {
		if !parsed.HasPartitionKey || !parsed.HasRowKey {
			return rest.Errorf(400, "PropertiesNeedValue", "The values are not specified for all properties in the entity.")
		}
		c.partitionKey, c.rowKey = parsed.PartitionKey, parsed.RowKey
		return odata.CheckSize(c.partitionKey, c.rowKey, c.properties)
	}
	for _, key := range [...]struct{ name, value string }{{"PartitionKey", c.partitionKey}, {"RowKey", c.rowKey}} {
		if err := odata.CheckKey(key.name, key.value); err != nil {
			return err
		}
	}
	if parsed.HasPartitionKey && parsed.PartitionKey != c.partitionKey || parsed.HasRowKey && parsed.RowKey != c.rowKey {
		return rest.Errorf(400, "InvalidInput", "One of the request inputs is not valid: the keys of the body differ from those of the address.")
	}
	if err := c.checkMatch(); err != nil {
		return err
	}
	return odata.CheckSize(c.partitionKey, c.rowKey, c.properties)
}

// checkMatch refuses an If-Match that is no ETag of an entity.
func (c *change) checkMatch() error {
	if c.match == "" || c.match == "*" {
		return nil
	}
	etag, err := url.PathUnescape(c.match)
	if err != nil || !strings.HasPrefix(etag, `W/"`) || !strings.HasSuffix(etag, `"`) {
		return rest.Errorf(400, "InvalidInput", "The etag value '%s' specified in one of the request headers is not valid. Please make sure only one etag value is specified and is valid.", c.match)
	}
	return nil
}

func (c *change) matches(old *entity) bool {
	if c.match == "" || c.match == "*" {
		return true
	}
	etag := odata.ETag(old.stamp)
	return c.match == etag || c.match == strings.ReplaceAll(etag, "%3A", ":")
}

// apply works out the entity that a change leaves behind; nil means none.
// partitionKey is the key as the partition has it.
func (w *workspace) apply(c *change, old *entity, partitionKey string, stamp rest.Ticks) (*entity, error) {
	if c.kind == insert && old != nil {
		return nil, errEntityExists
	}
	if old == nil && (c.kind == replace || c.kind == merge || c.kind == remove) {
		return nil, errNotFound
	}
	if old != nil && !c.matches(old) {
		return nil, errConditionNotMet
	}
	if c.kind == remove {
		return nil, nil
	}
	properties := c.properties
	if old != nil && (c.kind == merge || c.kind == insertOrMerge) {
		w.merged = mergeProperties(old.appendProperties(w.merged[:0]), c.properties)
		properties = w.merged
		if len(properties) > odata.MaxProperties {
			return nil, odata.ErrTooManyProperties
		}
		if err := odata.CheckSize(c.partitionKey, c.rowKey, properties); err != nil {
			return nil, err
		}
	}
	// The texts of a change are parts of its request, which must not live as
	// long as the entity.
	return newEntity(partitionKey, c.rowKey, stamp, properties), nil
}

func mergeProperties(old, changes []odata.Property) []odata.Property {
	out := slices.Grow(old, len(changes))
	for _, p := range changes {
		i := slices.IndexFunc(out[:len(old)], func(q odata.Property) bool { return q.Name == p.Name })
		if i >= 0 {
			out[i] = p
		} else {
			out = append(out, p)
		}
	}
	return out
}

// writeOperation makes the operation of a single change.
func (s *Store) writeOperation(r *rest.Request, c change) (rest.Operation, error) {
	return rest.Operation{Name: kindNames[c.kind], Access: c.kind.access(),
		Run: func(r *rest.Request) (*rest.Response, error) { return s.write(r, &c) }}, nil
}

func (s *Store) write(r *rest.Request, c *change) (*rest.Response, error) {
	body, err := r.Text(maxBody)
	if err != nil {
		return nil, err
	}
	w := s.workspaces.get()
	defer s.workspaces.put(w)
	if err := c.read(r.Header, body, &w.entities); err != nil {
		return nil, err
	}
	if err := allowed(r, c); err != nil {
		return nil, err
	}
	var fresh *entity
	name := c.table
	err = s.change(r.Account, c.table, c.partitionKey, func(t *table, p *partition) error {
		name = t.name
		old, _ := p.rows.Get(c.rowKey)
		var err error
		if fresh, err = w.apply(c, old, p.key, s.env.Clock.Stamp()); err != nil {
			return err
		}
		p.set(c.rowKey, fresh)
		p.lsn = s.log(func() []byte { return encodeRows(r.Account, t.name, p.key, []row{{c.rowKey, fresh}}) })
		return nil
	})
	if err != nil {
		return nil, err
	}
	return c.answer(writer{base: r.Base(), account: r.Account, table: name, level: c.level}, fresh), nil
}

func (p *partition) set(rowKey string, e *entity) {
	if e == nil {
		p.rows.Delete(rowKey)
	} else {
		p.rows.Set(e.rowKey, e)
	}
}

// answer makes the response of a change that succeeded.
func (c *change) answer(w writer, e *entity) *rest.Response {
	p := newResponse(204)
	if e == nil {
		return p
	}
	p.Set("Etag", odata.ETag(e.stamp))
	if c.kind != insert {
		return p
	}
	location := w.base + "/" + entityPath(w.table, e.partitionKey, e.rowKey)
	p.Set("Location", location)
	if c.echo {
		p.Set("Preference-Applied", "return-content")
	}
	if c.noContent {
		p.Set("Preference-Applied", "return-no-content")
		p.Set("Dataserviceid", location)
		return p
	}
	p.Status = 201
	return p.WithBody(c.level.ContentType(), w.append(nil, e, func(b []byte) []byte {
		return appendMember(b, "odata.metadata", w.metadata("/@Element"))
	}))
}
