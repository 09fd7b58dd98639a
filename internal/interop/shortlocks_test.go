package interop

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A .NET worker locks messages for five minutes, and its settings for that are not reachable from outside. After a kill,
// what it held is seen again only then. shortLocks puts a proxy between it and the queues that asks for a shorter time,
// and signs anew what it changed.

const (
	netMessageLock = "300" // seconds, as .NET asks for
	shortLock      = "20"  // .NET renews every five seconds then
)

// shortLocks returns the connection string with such a proxy in front of the queues. With full runs, .NET keeps its time.
// Blobs have to stay where they are: their addresses are written into rows.
func shortLocks(t *testing.T, conn string) string {
	t.Helper()
	if full() {
		return conn
	}
	return alwaysShortLocks(t, conn)
}

// alwaysShortLocks does so in full runs, too.
func alwaysShortLocks(t *testing.T, conn string) string {
	t.Helper()
	settings := parseConnection(conn)
	key, err := base64.StdEncoding.DecodeString(settings["AccountKey"])
	if err != nil {
		t.Fatal(err)
	}
	s := signer{account: settings["AccountName"], key: key}
	target, err := url.Parse(settings["QueueEndpoint"])
	if err != nil || target.Host == "" {
		t.Fatalf("QueueEndpoint in the connection string: %v", err)
	}
	settings["QueueEndpoint"] = serve(t, target, s)
	var b strings.Builder
	for k, v := range settings {
		b.WriteString(k + "=" + v + ";")
	}
	return b.String()
}

func parseConnection(conn string) map[string]string {
	settings := map[string]string{}
	for part := range strings.SplitSeq(conn, ";") {
		if k, v, ok := strings.Cut(part, "="); ok {
			settings[strings.TrimSpace(k)] = v
		}
	}
	return settings
}

func serve(t *testing.T, target *url.URL, s signer) string {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
			r.Out.Host = target.Host
			if shorten(r.Out) {
				s.sign(r.Out)
			}
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: proxy}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		transport.CloseIdleConnections()
	})
	return "http://" + listener.Addr().String() + target.Path
}

// shorten says whether it changed the request.
func shorten(r *http.Request) bool {
	if q := r.URL.Query(); q.Get("visibilitytimeout") == netMessageLock && r.Method != http.MethodPost {
		q.Set("visibilitytimeout", shortLock)
		r.URL.RawQuery = q.Encode()
		return true
	}
	return false
}

type signer struct {
	account string
	key     []byte
}

// sign writes the Authorization header of Shared Key, as the service's documentation describes it for queues.
func (s signer) sign(r *http.Request) {
	length := ""
	if r.ContentLength > 0 {
		length = strconv.FormatInt(r.ContentLength, 10)
	}
	lines := []string{r.Method}
	for _, name := range []string{"Content-Encoding", "Content-Language"} {
		lines = append(lines, r.Header.Get(name))
	}
	lines = append(lines, length)
	for _, name := range []string{"Content-MD5", "Content-Type", "Date", "If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range"} {
		lines = append(lines, r.Header.Get(name))
	}
	var own []string
	for name, values := range r.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-ms-") {
			own = append(own, name+":"+strings.TrimSpace(strings.Join(values, ",")))
		}
	}
	slices.Sort(own)
	lines = append(lines, own...)
	resource := []string{"/" + s.account + r.URL.EscapedPath()}
	query := r.URL.Query()
	for _, name := range slices.Sorted(maps.Keys(query)) {
		resource = append(resource, strings.ToLower(name)+":"+strings.Join(slices.Sorted(slices.Values(query[name])), ","))
	}
	lines = append(lines, resource...)
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(strings.Join(lines, "\n")))
	r.Header.Set("Authorization", "SharedKey "+s.account+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}
