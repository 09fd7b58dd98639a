package httpapi

import (
	"net/http"
	"strings"
)

// route is one operation of the API.
type route struct {
	method  string // empty for any
	pattern string // below the base path; parts in braces stand for any text
	long    bool   // it may wait for an instance, or delete many
	serve   func(*call) error
}

// reads tells whether the route changes nothing.
func (r *route) reads() bool {
	return r.method == http.MethodGet && !strings.HasPrefix(r.pattern, "orchestrators")
}

// routes are all operations, in the order in which they are looked for.
func routes() []route {
	const get, post, del = http.MethodGet, http.MethodPost, http.MethodDelete
	return append(append([]route{
		{post, "orchestrators/{name}", true, (*call).start},
		{post, "orchestrators/{name}/{id}", true, (*call).start},
		{get, "orchestrators/{name}", true, (*call).start},
		{get, "orchestrators/{name}/{id}", true, (*call).start},
		{get, "entities", false, (*call).listEntities},
		{get, "entities/{name}", false, (*call).listEntities},
		{get, "entities/{name}/{key}", false, (*call).getEntity},
		{post, "entities", false, (*call).signalEntity},
		{post, "entities/{name}", false, (*call).signalEntity},
		{post, "entities/{name}/{key}", false, (*call).signalEntity},
		{del, "entities/{name}", false, (*call).deleteEntity},
		{del, "entities/{name}/{key}", false, (*call).deleteEntity},
		{get, "instances", false, (*call).list},
		{del, "instances", true, (*call).purgeMany},
		{get, "instances/{id}", false, (*call).get},
		{del, "instances/{id}", false, (*call).purge},
		{post, "instances/{id}/terminate", false, (*call).terminate},
		{post, "instances/{id}/suspend", false, (*call).suspend},
		{post, "instances/{id}/resume", false, (*call).resume},
		{post, "instances/{id}/rewind", false, (*call).rewind},
		{post, "instances/{id}/restart", true, (*call).restart},
		{post, "instances/{id}/raiseEvent/{event}", false, (*call).raiseEvent},
		{"", "makeprimary", false, (*call).makePrimary},
	}, scheduleRoutes()...), limitRoutes()...)
}

// table has the routes with their patterns cut up, by the number of parts.
var table = func() (t [5][]struct {
	route
	parts []string
}) {
	for _, r := range routes() {
		parts := strings.Split(r.pattern, "/")
		t[len(parts)] = append(t[len(parts)], struct {
			route
			parts []string
		}{r, parts})
	}
	return t
}()

// route finds the operation for a path, and keeps what the path says; nil when there is none.
func (c *call) route(segments []string) *route {
	if len(segments) >= len(table) {
		return nil
	}
	for i := range table[len(segments)] {
		entry := &table[len(segments)][i]
		if (entry.method == "" || entry.method == c.r.Method) && c.matches(entry.parts, segments) {
			return &entry.route
		}
	}
	return nil
}

func (c *call) matches(parts, segments []string) bool {
	for i, part := range parts {
		if strings.HasPrefix(part, "{") {
			if segments[i] == "" {
				return false
			}
			continue
		}
		if !strings.EqualFold(part, segments[i]) {
			return false
		}
	}
	for i, part := range parts {
		switch part {
		case "{id}":
			c.id = segments[i]
		case "{name}":
			c.name = segments[i]
		case "{key}":
			c.key = segments[i]
		case "{event}":
			c.event = segments[i]
		}
	}
	return true
}

// below cuts the path below the base path into its parts and decodes them; a slash that is escaped stays in its part.
func (a *API) below(r *http.Request) ([]string, bool) {
	path := r.URL.EscapedPath()
	base := a.cfg.BasePath
	if len(path) <= len(base) || !strings.EqualFold(path[:len(base)], base) || path[len(base)] != '/' {
		return nil, false
	}
	segments := strings.Split(strings.TrimRight(path[len(base)+1:], "/"), "/")
	for i, s := range segments {
		segments[i] = decode(s, false)
	}
	return segments, true
}
