package tables

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-taskhub/taskhub/emulator/internal/odata"
	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// maxChanges is how many operations an entity-group transaction may have
// ("Performing entity group transactions").
const maxChanges = 100

// batch carries out an entity-group transaction, or the single query that a
// batch may hold instead. What is wrong with an operation is told in the
// batch's answer, with the operation's index before the message.
func (s *Store) batch(r *rest.Request) (*rest.Response, error) {
	body, err := r.Text(maxBody)
	if err != nil {
		return nil, err
	}
	w := s.workspaces.get()
	defer s.workspaces.put(w)
	parts, err := w.read(r.Header.Get("Content-Type"), body)
	if err != nil {
		return nil, err
	}
	if len(parts) == 0 {
		return nil, badBatch("it has no operations")
	}
	if !parts[0].changeset {
		return s.batchQuery(r, parts[0])
	}
	changes, err := w.readChanges(r, parts)
	if err != nil {
		return batchError(r, parts, err), nil
	}
	fresh, name, err := s.transact(r, changes, w)
	var refused *indexedError
	if errors.As(err, &refused) {
		return batchError(r, parts, err), nil
	}
	if err != nil {
		var known *rest.Error
		if errors.As(err, &known) && known.Status == http.StatusNotFound {
			return batchError(r, parts, &indexedError{0, err}), nil
		}
		return nil, err
	}
	to := writer{base: r.Base(), account: r.Account, table: name}
	return batchResponse(r, len(changes), true, func(b []byte, i int) []byte {
		to.level = changes[i].level
		return changes[i].appendAnswer(b, to, fresh[i])
	}), nil
}

// indexedError says which operation of a batch was refused.
type indexedError struct {
	index int
	err   error
}

func (e *indexedError) Error() string { return fmt.Sprintf("operation %d: %v", e.index, e.err) }
func (e *indexedError) Unwrap() error { return e.err }

var (
	errTooManyChanges = &rest.Error{Status: 400, Code: "InvalidInput",
		Message: "The batch request operation exceeds the maximum 100 changes per change set."}
	errPartitions = &rest.Error{Status: 400, Code: "CommandsInBatchActOnDifferentPartitions",
		Message: "All commands in a batch must operate on same entity group."}
	errDuplicateRow = &rest.Error{Status: 400, Code: "InvalidDuplicateRow",
		Message: "The batch request contains multiple changes with same row key. An entity can appear only once in a batch request."}
)

// readChanges turns the parts into changes of one partition, each of another
// row.
func (w *workspace) readChanges(r *rest.Request, parts []part) ([]change, error) {
	if len(parts) > maxChanges {
		return nil, &indexedError{maxChanges, errTooManyChanges}
	}
	w.changes = slices.Grow(w.changes[:0], len(parts))[:len(parts)]
	changes, rows := w.changes, w.rows
	for i := range parts {
		c := &changes[i]
		err := c.readPart(r, &parts[i], &w.entities)
		if err == nil {
			err = allowed(r, c)
		}
		switch {
		case err != nil:
		case !strings.EqualFold(c.table, changes[0].table) && i > 0, c.partitionKey != changes[0].partitionKey && i > 0:
			err = errPartitions
		case rows[c.rowKey]:
			err = errDuplicateRow
		}
		if err != nil {
			return nil, &indexedError{i, err}
		}
		rows[c.rowKey] = true
	}
	return changes, nil
}

func (c *change) readPart(r *rest.Request, p *part, reader *odata.EntityReader) error {
	t, err := partTarget(r, p)
	if err != nil {
		return err
	}
	c.table, c.contentID = t.table, p.contentID
	switch {
	case t.entity:
		c.partitionKey, c.rowKey = t.partitionKey, t.rowKey
		if c.kind, err = changeKind(p.method, &p.header); err != nil {
			return err
		}
	case p.method == http.MethodPost && !t.hasQuoted:
		c.kind = insert
	case p.method == http.MethodGet:
		return rest.Errorf(400, "InvalidInput", "A query is only allowed as the one operation of a batch, outside of a change set.")
	default:
		return errMethod
	}
	return c.read(&p.header, p.body, reader) // a pointer, as a slice in an interface is an allocation
}

// partTarget finds what an inner request addresses; its URL may be absolute
// or begin at the account or the table.
func partTarget(r *rest.Request, p *part) (target, error) {
	path, _, _ := strings.Cut(p.target, "?")
	if _, rest0, absolute := strings.Cut(path, "://"); absolute && !strings.HasPrefix(path, "/") {
		_, path, _ = strings.Cut(rest0, "/")
	}
	path, err := url.PathUnescape(strings.TrimPrefix(path, "/"))
	if err != nil {
		return target{}, rest.ErrInvalidURI
	}
	if r.PathStyle() {
		path = strings.TrimPrefix(path, r.Account+"/")
	}
	if path == "" || strings.HasPrefix(path, "$") || strings.HasPrefix(path, "Tables") && (len(path) == 6 || path[6] == '(') {
		return target{}, rest.ErrInvalidURI
	}
	return parseTarget(path)
}

// transact applies all changes or none.
func (s *Store) transact(r *rest.Request, changes []change, w *workspace) (fresh []*entity, name string, err error) {
	w.fresh = slices.Grow(w.fresh[:0], len(changes))[:len(changes)]
	fresh = w.fresh
	err = s.change(r.Account, changes[0].table, changes[0].partitionKey, func(t *table, p *partition) error {
		name = t.name
		for i := range changes {
			old, _ := p.rows.Get(changes[i].rowKey)
			e, err := w.apply(&changes[i], old, p.key, s.env.Clock.Stamp())
			if err != nil {
				return &indexedError{i, err}
			}
			fresh[i] = e
		}
		for i := range changes {
			p.set(changes[i].rowKey, fresh[i])
		}
		p.lsn = s.log(func() []byte {
			rows := make([]row, len(changes))
			for i := range changes {
				rows[i] = row{changes[i].rowKey, fresh[i]}
			}
			return encodeRows(r.Account, t.name, p.key, rows)
		})
		return nil
	})
	return fresh, name, err
}

// batchQuery carries out the one query of a batch.
func (s *Store) batchQuery(r *rest.Request, p part) (*rest.Response, error) {
	if p.method != http.MethodGet {
		return nil, badBatch("changes must be in a change set")
	}
	inner := *r
	httpRequest := *r.HTTP
	httpRequest.Method = p.method
	inner.HTTP, inner.Header = &httpRequest, make(http.Header, len(p.header))
	for _, f := range p.header {
		inner.Header.Set(f.name, f.value)
	}
	if u, err := url.Parse(p.target); err == nil {
		inner.Query = u.Query()
	}
	for _, name := range [...]string{"tn"} { // a SAS belongs to the batch, not to the query
		inner.Query[name] = r.Query[name]
	}
	answer, err := func() (*rest.Response, error) {
		t, err := partTarget(r, &p)
		if err != nil {
			return nil, err
		}
		if err := readAllowed(r, t.table); err != nil {
			return nil, err
		}
		if t.entity {
			return s.getEntity(&inner, t)
		}
		return s.query(&inner, t.table)
	}()
	if err != nil {
		answer = indexed(0, err).Response(r)
	}
	return batchResponse(r, 1, false, func(b []byte, _ int) []byte { return appendAnswer(b, answer) }), nil
}

func readAllowed(r *rest.Request, tableName string) error {
	id := &r.Identity
	if !id.SAS {
		return nil
	}
	if !strings.Contains(id.Permissions, "r") {
		return rest.ErrPermissionMismatch
	}
	if !id.AccountSAS && !strings.EqualFold(tableName, r.Param("tn")) {
		return rest.ErrAuthorizationFailure
	}
	return nil
}

// indexed puts an operation's index before the message, as the service does.
func indexed(i int, err error) *rest.Error {
	e := rest.AsError(err)
	return e.WithMessage("%d:%s", i, e.Message)
}

func batchError(r *rest.Request, parts []part, err error) *rest.Response {
	index := 0
	var at *indexedError
	if errors.As(err, &at) {
		index, err = at.index, at.err
	}
	answer := indexed(index, err).Response(r)
	answer.Set("X-Content-Type-Options", "nosniff")
	answer.Set("Cache-Control", "no-cache")
	answer.Set("Dataserviceversion", "3.0;")
	if index < len(parts) && parts[index].contentID != "" {
		answer.Set("Content-Id", parts[index].contentID)
	}
	return batchResponse(r, 1, true, func(b []byte, _ int) []byte { return appendAnswer(b, answer) })
}

// batchResponse wraps the answers of n operations.
func batchResponse(r *rest.Request, n int, changeset bool, appendOne func(b []byte, i int) []byte) *rest.Response {
	outer, inner := "batchresponse_"+r.ID, "changesetresponse_"+r.ID
	b := make([]byte, 0, 320*n+512)
	b = append(append(append(b, "--"...), outer...), "\r\n"...)
	boundary := outer
	if changeset {
		b = append(append(append(b, "Content-Type: multipart/mixed; boundary="...), inner...), "\r\n\r\n"...)
		boundary = inner
	}
	for i := range n {
		if changeset || i > 0 {
			b = append(append(append(b, "--"...), boundary...), "\r\n"...)
		}
		b = append(b, "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"...)
		b = appendOne(b, i)
	}
	if changeset {
		b = append(append(append(b, "--"...), inner...), "--\r\n"...)
	}
	b = append(append(append(b, "--"...), outer...), "--\r\n"...)
	p := newResponse(http.StatusAccepted)
	return p.WithBody("multipart/mixed; boundary="+outer, b)
}

// answerHeaders are the headers of an inner answer in the order they are
// written, spelled as the service spells them.
var answerHeaders = [...][2]string{
	{"Content-Id", "Content-ID"}, {"X-Content-Type-Options", "X-Content-Type-Options"}, {"Cache-Control", "Cache-Control"},
	{"Preference-Applied", "Preference-Applied"}, {"Dataserviceversion", "DataServiceVersion"}, {"Content-Type", "Content-Type"},
	{"Location", "Location"}, {"Dataserviceid", "DataServiceId"}, {"Etag", "ETag"},
	{"X-Ms-Continuation-Nextpartitionkey", "x-ms-continuation-NextPartitionKey"}, {"X-Ms-Continuation-Nextrowkey", "x-ms-continuation-NextRowKey"},
}

func appendAnswer(b []byte, p *rest.Response) []byte {
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(p.Status), 10)
	b = append(append(append(b, ' '), http.StatusText(p.Status)...), "\r\n"...)
	for _, h := range answerHeaders {
		if v := p.Header.Get(h[0]); v != "" {
			b = append(append(append(append(b, h[1]...), ": "...), v...), "\r\n"...)
		}
	}
	b = append(b, "\r\n"...)
	for _, piece := range p.Body {
		b = append(b, piece...)
	}
	return append(b, "\r\n"...)
}

// appendAnswer writes the inner answer of a change that succeeded.
func (c *change) appendAnswer(b []byte, w writer, e *entity) []byte {
	created := c.kind == insert && !c.noContent
	if created {
		b = append(b, "HTTP/1.1 201 Created\r\n"...)
	} else {
		b = append(b, "HTTP/1.1 204 No Content\r\n"...)
	}
	line := func(name, value string) {
		b = append(append(append(append(b, name...), ": "...), value...), "\r\n"...)
	}
	if c.contentID != "" {
		line("Content-ID", c.contentID)
	}
	b = append(b, "X-Content-Type-Options: nosniff\r\nCache-Control: no-cache\r\n"...)
	switch {
	case !created:
		line("Preference-Applied", "return-no-content")
	case c.echo:
		line("Preference-Applied", "return-content")
	}
	line("DataServiceVersion", "3.0;")
	if created {
		line("Content-Type", c.level.ContentType())
	}
	if c.kind == insert {
		location := w.base + "/" + entityPath(w.table, e.partitionKey, e.rowKey)
		line("Location", location)
		line("DataServiceId", location)
	}
	if e != nil {
		b = append(odata.AppendETag(append(b, "ETag: "...), e.stamp), "\r\n"...)
	}
	b = append(b, "\r\n"...)
	if created {
		b = w.append(b, e, func(b []byte) []byte { return appendMember(b, "odata.metadata", w.metadata("/@Element")) })
	}
	return append(b, "\r\n"...)
}
