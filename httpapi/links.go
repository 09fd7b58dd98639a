package httpapi

import (
	"cmp"
	"net/http"
	"strings"
)

// HTTPManagementPayload is the addresses at which an instance is managed. Texts in braces are for the caller to fill in.
type HTTPManagementPayload struct {
	// ID is the instance's id.
	ID string `json:"id"`
	// StatusQueryGetURI returns the state.
	StatusQueryGetURI string `json:"statusQueryGetUri"`
	// SendEventPostURI raises the event {eventName}.
	SendEventPostURI string `json:"sendEventPostUri"`
	// TerminatePostURI terminates with the reason {text}.
	TerminatePostURI string `json:"terminatePostUri"`
	// RewindPostURI rewinds with the reason {text}.
	RewindPostURI string `json:"rewindPostUri"`
	// PurgeHistoryDeleteURI deletes the finished instance.
	PurgeHistoryDeleteURI string `json:"purgeHistoryDeleteUri"`
	// RestartPostURI starts it again.
	RestartPostURI string `json:"restartPostUri"`
	// SuspendPostURI suspends with the reason {text}.
	SuspendPostURI string `json:"suspendPostUri"`
	// ResumePostURI resumes with the reason {text}.
	ResumePostURI string `json:"resumePostUri"`
}

// checkStatus is the body of a check-status answer: the payload without the address for rewinding.
type checkStatus struct {
	ID                    string `json:"id"`
	StatusQueryGetURI     string `json:"statusQueryGetUri"`
	SendEventPostURI      string `json:"sendEventPostUri"`
	TerminatePostURI      string `json:"terminatePostUri"`
	PurgeHistoryDeleteURI string `json:"purgeHistoryDeleteUri"`
	RestartPostURI        string `json:"restartPostUri"`
	SuspendPostURI        string `json:"suspendPostUri"`
	ResumePostURI         string `json:"resumePostUri"`
}

// CreateHTTPManagementPayload returns the addresses for an instance as the sender of a request can use them: with the host
// that the request was sent to, also through a proxy. With [Config.Keys] they contain a key, so give them only to those who
// may manage the hub.
func (a *API) CreateHTTPManagementPayload(r *http.Request, instanceID string) HTTPManagementPayload {
	return a.payload(r, instanceID, a.linkKey())
}

func (a *API) payload(r *http.Request, id, code string) HTTPManagementPayload {
	at := a.origin(r) + a.cfg.BasePath + "/instances/" + encode(id)
	query := "taskHub=" + encode(a.hub.Name()) + "&connection=" + encode(a.cfg.Connection)
	if code != "" {
		query += "&code=" + encode(code)
	}
	return HTTPManagementPayload{
		ID:                    id,
		StatusQueryGetURI:     at + "?" + query,
		SendEventPostURI:      at + "/raiseEvent/{eventName}?" + query,
		TerminatePostURI:      at + "/terminate?reason={text}&" + query,
		RewindPostURI:         at + "/rewind?reason={text}&" + query,
		PurgeHistoryDeleteURI: at + "?" + query,
		RestartPostURI:        at + "/restart?" + query,
		SuspendPostURI:        at + "/suspend?reason={text}&" + query,
		ResumePostURI:         at + "/resume?reason={text}&" + query,
	}
}

func (p HTTPManagementPayload) checkStatus() checkStatus {
	return checkStatus{
		ID: p.ID, StatusQueryGetURI: p.StatusQueryGetURI, SendEventPostURI: p.SendEventPostURI, TerminatePostURI: p.TerminatePostURI,
		PurgeHistoryDeleteURI: p.PurgeHistoryDeleteURI, RestartPostURI: p.RestartPostURI, SuspendPostURI: p.SuspendPostURI, ResumePostURI: p.ResumePostURI,
	}
}

// links are the addresses that an answer of the API itself has: with the key that the request had.
func (c *call) links(id string) HTTPManagementPayload {
	return c.api.payload(c.r, id, cmp.Or(c.code, c.api.linkKey()))
}

// origin is scheme, host and leading path as the sender of a request sees them.
func (a *API) origin(r *http.Request) string {
	scheme, host, prefix := "http", r.Host, ""
	if r.TLS != nil {
		scheme = "https"
	}
	if !a.cfg.IgnoreForwarded {
		if proto := strings.ToLower(forwarded(r, "X-Forwarded-Proto")); proto == "http" || proto == "https" {
			scheme = proto
		}
		if h := forwarded(r, "X-Forwarded-Host"); isHost(h) {
			host = h
		}
		if p := forwarded(r, "X-Forwarded-Prefix"); isPrefix(p) {
			prefix = strings.TrimRight(p, "/")
		}
	}
	return scheme + "://" + host + prefix
}

// forwarded is what the outermost proxy says.
func forwarded(r *http.Request, header string) string {
	first, _, _ := strings.Cut(r.Header.Get(header), ",")
	return strings.TrimSpace(first)
}

func isHost(s string) bool { return s != "" && only(s, ".-_:[]") }

func isPrefix(s string) bool {
	return strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") && only(s, "/.-_~%")
}

func only(s, marks string) bool {
	for _, c := range []byte(s) {
		if !isPlain(c) && strings.IndexByte(marks, c) < 0 {
			return false
		}
	}
	return true
}

// address is the request's own address.
func (c *call) address() string {
	own := c.r.RequestURI
	if !strings.HasPrefix(own, "/") {
		own = c.r.URL.RequestURI()
	}
	return c.api.origin(c.r) + own
}

// encode escapes a text for a path or a query, as the original does but for the blank: a plus would stand for itself in a
// path.
func encode(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(s) {
		if isPlain(c) || strings.IndexByte("-_.!*()", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&0xF])
	}
	return b.String()
}

func isPlain(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
