package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// schema is as much of JSON Schema as the document uses.
type schema struct {
	Ref        string             `json:"$ref"`
	Type       string             `json:"type"`
	Required   []string           `json:"required"`
	Properties map[string]*schema `json:"properties"`
	Additional *bool              `json:"additionalProperties"`
	Items      *schema            `json:"items"`
	Enum       []string           `json:"enum"`
	OneOf      []*schema          `json:"oneOf"`
}

type operation struct {
	OperationID string `json:"operationId"`
	Parameters  []struct {
		Name string `json:"name"`
		In   string `json:"in"`
		Ref  string `json:"$ref"`
	} `json:"parameters"`
	Responses map[string]struct {
		Headers map[string]any `json:"headers"`
		Content map[string]struct {
			Schema *schema `json:"schema"`
		} `json:"content"`
	} `json:"responses"`
}

type document struct {
	OpenAPI    string                           `json:"openapi"`
	Servers    []struct{ URL string }           `json:"servers"`
	Paths      map[string]map[string]*operation `json:"paths"`
	Components struct {
		Schemas    map[string]*schema `json:"schemas"`
		Parameters map[string]any     `json:"parameters"`
	} `json:"components"`
}

var parsedDocument = sync.OnceValues(func() (d document, err error) {
	err = json.Unmarshal(openAPIDocument, &d)
	return d, err
})

func (d *document) fault(s *schema, v any) error {
	if s == nil {
		return nil
	}
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		if d.Components.Schemas[name] == nil {
			return fmt.Errorf("no schema %s", name)
		}
		return d.fault(d.Components.Schemas[name], v)
	}
	if len(s.OneOf) > 0 {
		if slices.ContainsFunc(s.OneOf, func(one *schema) bool { return d.fault(one, v) == nil }) {
			return nil
		}
		return fmt.Errorf("%v is none of the alternatives", v)
	}
	switch s.Type {
	case "string":
		text, ok := v.(string)
		if !ok || s.Enum != nil && !slices.Contains(s.Enum, text) {
			return fmt.Errorf("%v is no such string", v)
		}
	case "integer":
		if n, ok := v.(float64); !ok || n != float64(int64(n)) {
			return fmt.Errorf("%v is no integer", v)
		}
	case "array":
		all, ok := v.([]any)
		if !ok {
			return fmt.Errorf("%v is no array", v)
		}
		for _, one := range all {
			if err := d.fault(s.Items, one); err != nil {
				return err
			}
		}
	case "object":
		return d.objectFault(s, v)
	}
	return nil
}

func (d *document) objectFault(s *schema, v any) error {
	object, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("%v is no object", v)
	}
	for _, name := range s.Required {
		if _, ok := object[name]; !ok {
			return fmt.Errorf("no %s in %v", name, v)
		}
	}
	for name, member := range object {
		property, ok := s.Properties[name]
		if !ok && s.Additional != nil && !*s.Additional {
			return fmt.Errorf("unexpected %s in %v", name, v)
		}
		if err := d.fault(property, member); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// checkDocumented compares an answer with what the document says of its operation; paths that are no operation's must be
// answered with 404 and nothing.
func checkDocumented(t *testing.T, method, path string, a answer) {
	t.Helper()
	d, err := parsedDocument()
	if err != nil {
		t.Fatal(err)
	}
	path, _, _ = strings.Cut(path, "?")
	segments := strings.Split(strings.Trim(path, "/"), "/")
	for i, s := range segments {
		segments[i] = decode(s, false)
	}
	found := (&call{r: &http.Request{Method: method}}).route(segments)
	if found == nil {
		if a.status != http.StatusNotFound && a.status != http.StatusUnauthorized && a.status != http.StatusForbidden || a.status == http.StatusNotFound && a.body != "" {
			t.Errorf("%s %s: %d %s", method, path, a.status, a.body)
		}
		return
	}
	response, ok := d.Paths["/"+found.pattern][strings.ToLower(method)].Responses[fmt.Sprint(a.status)]
	if !ok {
		t.Errorf("%s %s: status %d is not in the document", method, found.pattern, a.status)
		return
	}
	if a.body == "" {
		return
	}
	if got := a.header.Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Errorf("%s %s: content type %q", method, path, got)
	}
	var v any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Errorf("%s %s: %v: %s", method, path, err, a.body)
		return
	}
	content, ok := response.Content["application/json"]
	if !ok {
		t.Errorf("%s %s: status %d has no body in the document, but %s", method, path, a.status, a.body)
	}
	if err := d.fault(content.Schema, v); err != nil {
		t.Errorf("%s %s: %d: %v", method, path, a.status, err)
	}
	for name := range response.Headers {
		if _, ok := a.header[http.CanonicalHeaderKey(name)]; !ok {
			t.Errorf("%s %s: %d: no header %s", method, path, a.status, name)
		}
	}
}

// TestDocumentHasAllRoutes compares document and routes in both directions.
func TestDocumentHasAllRoutes(t *testing.T) {
	t.Parallel()
	d, err := parsedDocument()
	if err != nil {
		t.Fatal(err)
	}
	described, ids := map[string]bool{}, map[string]bool{}
	for path, methods := range d.Paths {
		for method, op := range methods {
			described[strings.ToUpper(method)+" "+path] = true
			if op.OperationID == "" || ids[op.OperationID] {
				t.Errorf("%s %s: operation id %q is missing or taken", method, path, op.OperationID)
			}
			ids[op.OperationID] = true
			for _, p := range op.Parameters {
				if p.In == "path" && !strings.Contains(path, "{"+p.Name+"}") {
					t.Errorf("%s: parameter %s is not in the path", path, p.Name)
				}
				if name := strings.TrimPrefix(p.Ref, "#/components/parameters/"); p.Ref != "" && d.Components.Parameters[name] == nil {
					t.Errorf("%s: no %s", path, p.Ref)
				}
			}
		}
	}
	for _, r := range routes() {
		methods := []string{r.method}
		if r.method == "" {
			methods = []string{http.MethodGet, http.MethodPost, http.MethodDelete}
		}
		for _, m := range methods {
			if key := m + " /" + r.pattern; !described[key] {
				t.Errorf("%s is not in the document", key)
			} else {
				delete(described, key)
			}
		}
	}
	for key := range described {
		t.Errorf("%s is in the document, but not served", key)
	}
}

func TestDocumentIsServed(t *testing.T) {
	t.Parallel()
	s := newSiteWithoutHub(t, Config{Keys: map[string]string{"a": "secret"}, BasePath: "/durabletask/"})
	a := s.send(http.MethodGet, s.url+"/openapi.json", "")
	a.want(t, http.StatusOK, `"openapi"`)
	if d := read[document](t, a); d.OpenAPI != "3.1.0" || len(d.Servers) != 1 || d.Servers[0].URL != "/durabletask" {
		t.Errorf("%+v", d.Servers)
	}
	s.send(http.MethodPost, s.url+"/openapi.json", "").want(t, http.StatusNotFound)
	s.send(http.MethodGet, s.url+"/durabletask/instances/x?code=secret", "").want(t, http.StatusNotFound, "does not exist yet")
	s.send(http.MethodGet, s.url+base+"/instances/x?code=secret", "").want(t, http.StatusNotFound)
}
