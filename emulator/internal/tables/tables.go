package tables

import (
	"strings"

	"github.com/go-taskhub/taskhub/emulator/internal/journal"
	"github.com/go-taskhub/taskhub/emulator/internal/odata"
	"github.com/go-taskhub/taskhub/emulator/internal/rest"
	"github.com/go-taskhub/taskhub/emulator/internal/service"
)

const maxBody = 4 << 20

// checkTableName applies "Understanding the Table service data model": 3 to
// 63 letters and digits, beginning with a letter, and not "tables".
func checkTableName(name string) error {
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return rest.ErrInvalidResourceName
		}
	}
	if len(name) < 3 || len(name) > 63 {
		return rest.ErrResourceNameLength
	}
	if strings.EqualFold(name, "tables") {
		return rest.ErrInvalidResourceName
	}
	return nil
}

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

func (s *Store) createTable(r *rest.Request) (*rest.Response, error) {
	level, err := readLevel(r)
	if err != nil {
		return nil, err
	}
	if err := checkContentType(r.Header.Get("Content-Type")); err != nil {
		return nil, err
	}
	body, err := r.Body(64 << 10)
	if err != nil {
		return nil, err
	}
	parsed, err := new(odata.EntityReader).Read(string(body))
	if err != nil {
		return nil, err
	}
	name := ""
	for _, p := range parsed.Properties {
		if p.Name == "TableName" && p.Value.Type == odata.String {
			name = p.Value.Text
		}
	}
	if name == "" {
		return nil, rest.Errorf(400, "PropertiesNeedValue", "The values are not specified for all properties in the entity.")
	}
	if err := checkTableName(name); err != nil {
		return nil, err
	}
	if err := s.insertTable(r.Account, name); err != nil {
		return nil, err
	}
	noContent, echo := preferNoContent(r.Header.Get("Prefer"))
	location := r.Base() + "/Tables('" + name + "')"
	p := newResponse(201)
	if noContent {
		p.Status = 204
		p.Set("Dataserviceid", location)
	} else {
		w := writer{base: r.Base(), account: r.Account, table: "Tables", level: level}
		b := []byte{'{'}
		if level != odata.NoMetadata {
			b = appendMember(b, "odata.metadata", w.metadata("/@Element"))
		}
		b = append(w.appendTable(b, name), '}')
		p.WithBody(level.ContentType(), b)
	}
	if echo {
		p.Set("Preference-Applied", strings.ToLower(r.Header.Get("Prefer")))
	}
	p.Set("Location", location)
	return p, nil
}

func (s *Store) insertTable(accountName, name string) error {
	a := s.accounts[accountName]
	a.mu.Lock()
	_, exists := a.tables.Get(strings.ToLower(name))
	if !exists {
		t := newTable(name)
		a.tables.Set(strings.ToLower(name), t)
		a.lsn = s.log(func() []byte { return encodeTable(a.name, t) })
		t.lsn = a.lsn
	}
	lsn := a.lsn
	a.mu.Unlock()
	if err := s.env.Log.Wait(lsn); err != nil {
		return err
	}
	if exists {
		return errTableExists
	}
	return nil
}

func (s *Store) deleteTable(r *rest.Request, name string) (*rest.Response, error) {
	a := s.accounts[r.Account]
	a.mu.Lock()
	t, ok := a.tables.Get(strings.ToLower(name))
	if ok {
		a.tables.Delete(strings.ToLower(name))
		t.mu.Lock()
		t.deleted = true
		a.lsn = s.log(func() []byte { return encodeDrop(a.name, t.name) })
		t.mu.Unlock()
	}
	lsn := a.lsn
	a.mu.Unlock()
	if err := s.env.Log.Wait(lsn); err != nil {
		return nil, err
	}
	if !ok {
		return nil, errNotFound
	}
	return newResponse(204), nil
}

// appendTable writes the members of a table's entry.
func (w *writer) appendTable(b []byte, name string) []byte {
	if w.level == odata.FullMetadata {
		b = appendMember(b, "odata.type", w.account+".Tables")
		b = appendMember(b, "odata.id", w.base+"/Tables('"+name+"')")
		b = appendMember(b, "odata.editLink", "Tables('"+name+"')")
	}
	b = odata.AppendString(b, "TableName")
	b = append(b, ':')
	return odata.AppendString(b, name)
}

func (s *Store) getTable(r *rest.Request, name string) (*rest.Response, error) {
	level, err := readLevel(r)
	if err != nil {
		return nil, err
	}
	t, lsn := s.lookup(r.Account, name)
	if err := s.env.Log.Wait(lsn); err != nil {
		return nil, err
	}
	if t == nil {
		return nil, errNotFound
	}
	w := writer{base: r.Base(), account: r.Account, table: "Tables", level: level}
	b := []byte{'{'}
	if level != odata.NoMetadata {
		b = appendMember(b, "odata.metadata", w.metadata("/@Element"))
	}
	return newResponse(200).WithBody(level.ContentType(), append(w.appendTable(b, t.name), '}')), nil
}

// tableRow lets $filter see a table.
type tableRow string

// Property implements odata.Row.
func (t tableRow) Property(name string) (odata.Value, bool) {
	return odata.StringValue(string(t)), name == "TableName"
}

func (s *Store) queryTables(r *rest.Request) (*rest.Response, error) {
	level, err := readLevel(r)
	if err != nil {
		return nil, err
	}
	filter, err := odata.ParseFilter(r.Param("$filter"))
	if err != nil {
		return nil, err
	}
	limit, err := readTop(r)
	if err != nil {
		return nil, err
	}
	from, err := readToken(r, "NextTableName")
	if err != nil {
		return nil, err
	}
	names, next, lsn := s.tableNames(r.Account, filter, from, limit)
	w := writer{base: r.Base(), account: r.Account, table: "Tables", level: level}
	b := []byte{'{'}
	if level != odata.NoMetadata {
		b = appendMember(b, "odata.metadata", w.metadata(""))
	}
	b = append(b, `"value":[`...)
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(w.appendTable(append(b, '{'), name), '}')
	}
	p := newResponse(200).WithBody(level.ContentType(), append(b, "]}"...))
	if next != "" {
		p.Set("X-Ms-Continuation-Nexttablename", writeToken(next))
	}
	return p, s.env.Log.Wait(lsn)
}

func (s *Store) tableNames(accountName string, filter *odata.Filter, from string, limit int) (names []string, next string, lsn journal.LSN) {
	a := s.accounts[accountName]
	a.mu.RLock()
	defer a.mu.RUnlock()
	for key, t := range a.tables.From(from) {
		if !filter.Match(tableRow(t.name)) {
			continue
		}
		if len(names) == limit {
			return names, key, a.lsn
		}
		names = append(names, t.name)
	}
	return names, "", a.lsn
}

func (s *Store) getACL(r *rest.Request, name string) (*rest.Response, error) {
	t, err := s.find(r.Account, name)
	if err != nil {
		return nil, err
	}
	body, lsn := t.policies.XML(), t.lsn
	t.mu.RUnlock()
	return rest.XML(200, body), s.env.Log.Wait(lsn)
}

func (s *Store) setACL(r *rest.Request, name string) (*rest.Response, error) {
	policies, err := service.ReadPolicies(r)
	if err != nil {
		return nil, err
	}
	t, lsn := s.lookup(r.Account, name)
	err = error(errTableNotFound)
	if t != nil {
		t.mu.Lock()
		if !t.deleted {
			t.policies = policies
			t.lsn = s.log(func() []byte { return encodeTable(r.Account, t) })
			lsn, err = t.lsn, nil
		}
		t.mu.Unlock()
	}
	if werr := s.env.Log.Wait(lsn); werr != nil {
		return nil, werr
	}
	return rest.NewResponse(204), err
}
