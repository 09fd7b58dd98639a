package tables

import (
	"net/http"
	"strings"

	"github.com/go-taskhub/taskhub/emulator/internal/odata"
	"github.com/go-taskhub/taskhub/emulator/internal/rest"
)

// target is what a path addresses: a table, an entity or the list of tables.
type target struct {
	table string
	// paren is set when the path has parentheses, which may be empty.
	paren        bool
	partitionKey string
	rowKey       string
	entity       bool
	// quoted is the single text of Tables('name').
	quoted    string
	hasQuoted bool
}

// parseTarget reads "table", "table()", "table(PartitionKey='a',RowKey='b')"
// and "Tables('name')". Quotes inside keys are doubled.
func parseTarget(path string) (target, error) {
	name, rest0, found := strings.Cut(path, "(")
	t := target{table: strings.TrimSuffix(name, "/"), paren: found}
	if !found {
		return t, nil
	}
	inner, ok := strings.CutSuffix(rest0, ")")
	if !ok {
		return t, rest.ErrInvalidURI
	}
	if inner == "" {
		return t, nil
	}
	if inner[0] == '\'' {
		text, after, ok := cutQuoted(inner)
		if !ok || after != "" {
			return t, rest.ErrInvalidURI
		}
		t.quoted, t.hasQuoted = text, true
		return t, nil
	}
	var hasPartition, hasRow bool
	for inner != "" {
		key, after, ok := strings.Cut(inner, "=")
		if !ok {
			return t, rest.ErrInvalidURI
		}
		text, after, ok := cutQuoted(after)
		if !ok {
			return t, rest.ErrInvalidURI
		}
		switch strings.TrimSpace(key) {
		case "PartitionKey":
			t.partitionKey, hasPartition = text, true
		case "RowKey":
			t.rowKey, hasRow = text, true
		default:
			return t, rest.ErrInvalidURI
		}
		inner = strings.TrimLeft(after, " ")
		if inner != "" {
			if inner[0] != ',' || len(inner) == 1 {
				return t, rest.ErrInvalidURI
			}
			inner = strings.TrimLeft(inner[1:], " ")
		}
	}
	if !hasPartition || !hasRow {
		return t, rest.ErrInvalidURI
	}
	t.entity = true
	return t, nil
}

// cutQuoted reads a text in single quotes at the beginning.
func cutQuoted(s string) (text, after string, ok bool) {
	if s == "" || s[0] != '\'' {
		return "", "", false
	}
	end := strings.IndexByte(s[1:], '\'') + 1
	if end == 0 {
		return "", "", false
	}
	if after := s[end+1:]; after == "" || after[0] != '\'' {
		return s[1:end], after, true
	}
	var b strings.Builder
	b.WriteString(s[1:end])
	for i := end; i < len(s); i++ {
		if s[i] != '\'' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		return b.String(), s[i+1:], true
	}
	return "", "", false
}

// Resolve implements service.Backend.
func (s *Store) Resolve(r *rest.Request) (rest.Operation, error) {
	if r.Path == "" {
		return s.resolveService(r)
	}
	t, err := parseTarget(r.Path)
	if err != nil {
		return rest.Operation{}, err
	}
	switch {
	case t.table == "$batch":
		if r.Method() != http.MethodPost || t.paren {
			return rest.Operation{}, errMethod
		}
		return rest.Operation{Name: "Batch", Run: s.batch, Access: rest.Access{Resource: 'o', Account: "rwdaup", Service: "raud", Write: true}}, nil
	case t.table == "Tables":
		return s.resolveTables(r, t)
	case strings.HasPrefix(t.table, "$") || strings.Contains(t.table, "/"):
		return rest.Operation{}, rest.ErrInvalidURI
	case r.Keyword("comp") == "acl":
		return s.resolveACL(r, t)
	case r.Query.Has("comp"):
		return rest.Operation{}, rest.InvalidParameter("comp", r.Keyword("comp"))
	case t.hasQuoted:
		return rest.Operation{}, rest.ErrInvalidURI
	case t.entity:
		return s.resolveEntity(r, t)
	}
	return s.resolveTable(r, t)
}

var errMethod = &rest.Error{Status: 405, Code: "MethodNotAllowed",
	Message: "The requested method is not allowed on the specified resource."}

func (s *Store) resolveService(r *rest.Request) (rest.Operation, error) {
	restype, comp, method := r.Keyword("restype"), r.Keyword("comp"), r.Method()
	switch {
	case restype == "service" && comp == "properties" && method == http.MethodGet:
		return rest.Operation{Name: "GetTableServiceProperties", Run: s.getProperties,
			Access: rest.Access{Resource: 's', Account: "r"}}, nil
	case restype == "service" && comp == "properties" && method == http.MethodPut:
		return rest.Operation{Name: "SetTableServiceProperties", Run: s.setProperties,
			Access: rest.Access{Resource: 's', Account: "w", Write: true}}, nil
	case restype == "service" && comp == "stats" && method == http.MethodGet:
		return rest.Operation{Name: "GetTableServiceStats", Run: s.stats,
			Access: rest.Access{Resource: 's', Account: "r"}}, nil
	}
	return rest.Operation{}, rest.ErrInvalidURI
}

func (s *Store) resolveTables(r *rest.Request, t target) (rest.Operation, error) {
	switch {
	case r.Method() == http.MethodGet && !t.hasQuoted && !t.entity:
		return rest.Operation{Name: "QueryTables", Run: s.queryTables,
			Access: rest.Access{Resource: 'c', Account: "l"}}, nil
	case r.Method() == http.MethodGet && t.hasQuoted:
		return rest.Operation{Name: "GetTable", Access: rest.Access{Resource: 'c', Account: "l"},
			Run: func(r *rest.Request) (*rest.Response, error) { return s.getTable(r, t.quoted) }}, nil
	case r.Method() == http.MethodPost && !t.hasQuoted && !t.entity:
		return rest.Operation{Name: "CreateTable", Run: s.createTable,
			Access: rest.Access{Resource: 'c', Account: "cw", Write: true}}, nil
	case r.Method() == http.MethodDelete && t.hasQuoted:
		return rest.Operation{Name: "DeleteTable", Access: rest.Access{Resource: 'c', Account: "d", Write: true},
			Run: func(r *rest.Request) (*rest.Response, error) { return s.deleteTable(r, t.quoted) }}, nil
	}
	return rest.Operation{}, errMethod
}

func (s *Store) resolveACL(r *rest.Request, t target) (rest.Operation, error) {
	switch r.Method() {
	case http.MethodGet, http.MethodHead:
		return rest.Operation{Name: "GetTableACL", Access: rest.Access{Resource: 'c'},
			Run: func(r *rest.Request) (*rest.Response, error) { return s.getACL(r, t.table) }}, nil
	case http.MethodPut:
		return rest.Operation{Name: "SetTableACL", Access: rest.Access{Resource: 'c', Write: true},
			Run: func(r *rest.Request) (*rest.Response, error) { return s.setACL(r, t.table) }}, nil
	}
	return rest.Operation{}, errMethod
}

func (s *Store) resolveTable(r *rest.Request, t target) (rest.Operation, error) {
	switch r.Method() {
	case http.MethodGet:
		return rest.Operation{Name: "QueryEntities", Access: rest.Access{Resource: 'o', Account: "r", Service: "r"},
			Run: func(r *rest.Request) (*rest.Response, error) { return s.query(r, t.table) }}, nil
	case http.MethodPost:
		return s.writeOperation(r, change{kind: insert, table: t.table})
	}
	return rest.Operation{}, errMethod
}

func (s *Store) resolveEntity(r *rest.Request, t target) (rest.Operation, error) {
	if r.Method() == http.MethodGet {
		return rest.Operation{Name: "GetEntity", Access: rest.Access{Resource: 'o', Account: "r", Service: "r"},
			Run: func(r *rest.Request) (*rest.Response, error) { return s.getEntity(r, t) }}, nil
	}
	kind, err := changeKind(r.Method(), r.Header)
	if err != nil {
		return rest.Operation{}, err
	}
	return s.writeOperation(r, change{kind: kind, table: t.table, partitionKey: t.partitionKey, rowKey: t.rowKey})
}

// kind is what a change does to an entity.
type kind uint8

const (
	insert kind = iota
	replace
	merge
	remove
	insertOrReplace
	insertOrMerge
)

var kindNames = [...]string{"InsertEntity", "UpdateEntity", "MergeEntity", "DeleteEntity", "InsertOrReplaceEntity", "InsertOrMergeEntity"}

// changeKind tells a change by verb and If-Match: an update without If-Match
// is an upsert. POST with X-HTTP-Method stands for the verb it names.
func changeKind(method string, header getter) (kind, error) {
	if method == http.MethodPost {
		method = header.Get("X-Http-Method")
	}
	match := header.Get("If-Match") != ""
	switch method {
	case http.MethodPut:
		if match {
			return replace, nil
		}
		return insertOrReplace, nil
	case "MERGE", http.MethodPatch:
		if match {
			return merge, nil
		}
		return insertOrMerge, nil
	case http.MethodDelete:
		return remove, nil
	}
	return 0, errMethod
}

// access is what a SAS needs for a change; an upsert needs to add and update.
func (k kind) access() rest.Access {
	permission := [...]string{"a", "u", "u", "d", "u", "u"}[k]
	return rest.Access{Resource: 'o', Account: permission, Service: permission, Write: true}
}

// allowed checks a SAS's permissions and key range for a change.
func allowed(r *rest.Request, c *change) error {
	id := &r.Identity
	if !id.SAS {
		return nil
	}
	access := c.kind.access()
	if !strings.ContainsAny(id.Permissions, access.Service) {
		return rest.ErrPermissionMismatch
	}
	if (c.kind == insertOrMerge || c.kind == insertOrReplace) && !strings.Contains(id.Permissions, "a") {
		return rest.ErrPermissionMismatch
	}
	if !id.AccountSAS && !strings.EqualFold(c.table, r.Param("tn")) {
		return rest.ErrAuthorizationFailure
	}
	if !inRange(id.Keys, c.partitionKey, c.rowKey) {
		return rest.ErrAuthorizationFailure
	}
	return nil
}

// inRange applies the key range of a table SAS.
func inRange(k *rest.KeyRange, partitionKey, rowKey string) bool {
	if k == nil {
		return true
	}
	compare := func(a, b string) int {
		order, _ := odata.Compare(odata.StringValue(a), odata.StringValue(b))
		return order
	}
	if k.HasStartPartition {
		order := compare(partitionKey, k.StartPartition)
		if order < 0 || order == 0 && k.HasStartRow && compare(rowKey, k.StartRow) < 0 {
			return false
		}
	}
	if k.HasEndPartition {
		order := compare(partitionKey, k.EndPartition)
		if order > 0 || order == 0 && k.HasEndRow && compare(rowKey, k.EndRow) > 0 {
			return false
		}
	}
	return true
}
