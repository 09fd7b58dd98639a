package httpapi

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// headerKey is the header that carries a key; the query parameter is "code".
const headerKey = "X-Functions-Key"

// systemKey is the name of the key that the original makes for this API.
const systemKey = "durabletask_extension"

// key is one of the configured keys.
type key struct {
	name, text string
	sum        [sha256.Size]byte
}

func newKeys(texts map[string]string) []key {
	keys := make([]key, 0, len(texts))
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		keys = append(keys, key{name: name, text: texts[name], sum: sha256.Sum256([]byte(texts[name]))})
	}
	return keys
}

// authorize tells whether a request may come in, and with which key. How long it takes says nothing about the keys.
func (a *API) authorize(r *http.Request, q query) (code string, ok bool) {
	if len(a.keys) == 0 {
		return "", true
	}
	given := [2]string{q.get("code"), r.Header.Get(headerKey)}
	for _, text := range given {
		sum := sha256.Sum256([]byte(text))
		for _, k := range a.keys {
			if subtle.ConstantTimeCompare(sum[:], k.sum[:]) == 1 && k.text != "" {
				code, ok = k.text, true
			}
		}
	}
	return code, ok
}

// linkKey is the key for links when a request came without one.
func (a *API) linkKey() string {
	name := cmp.Or(a.cfg.LinkKey, systemKey)
	for _, k := range a.keys {
		if k.name == name {
			return k.text
		}
	}
	if a.cfg.LinkKey != "" || len(a.keys) == 0 {
		return ""
	}
	return a.keys[0].text
}

// outsider says why a request is refused that comes from elsewhere while there are no keys; empty when it is not.
func (a *API) outsider(r *http.Request) string {
	if len(a.keys) > 0 {
		return ""
	}
	const remedy = ": configure keys to serve others than programs on this machine"
	if !isLoopback(r.RemoteAddr) {
		return "Without keys only this machine is served" + remedy
	}
	for client := range strings.SplitSeq(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",") {
		if client = strings.TrimSpace(client); client != "" && !isLoopback(client) {
			return "A proxy passed on a request from another machine" + remedy
		}
	}
	if !isLoopback(r.Host) { // a page of a site whose name was made to lead to this machine
		return "The Host header does not name this machine" + remedy
	}
	return ""
}

// isLoopback tells whether a host, with or without a port, is this machine's.
func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if name := strings.ToLower(host); name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// foreignPage tells whether a browser sent a request on behalf of a page that may not use the API. Programs send none of
// the headers.
func (a *API) foreignPage(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin != "" && a.allowed(origin) {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "":
	default:
		return true
	}
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || !strings.EqualFold(u.Host, r.Host)
}

func (a *API) allowed(origin string) bool {
	return slices.ContainsFunc(a.cfg.AllowedOrigins, func(o string) bool {
		return o == "*" || strings.EqualFold(strings.TrimSuffix(o, "/"), origin)
	})
}

// preflight sets the headers that let allowed pages read answers, and answers the question that browsers ask first. It
// reports whether the request is answered.
func (a *API) preflight(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if len(a.cfg.AllowedOrigins) == 0 || origin == "" {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	if !a.allowed(origin) {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "Location, Retry-After, "+headerToken)
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, PUT, POST, DELETE")
	h.Set("Access-Control-Allow-Headers", "Content-Type, "+headerKey+", "+headerToken)
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}
