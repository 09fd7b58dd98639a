package main

import (
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// begun reads what a command writes until it says how to stop it.
func (l *lines) begun(t *testing.T) string {
	t.Helper()
	var seen strings.Builder
	for {
		line, err := l.reader.ReadString('\n')
		seen.WriteString(line)
		if err != nil {
			t.Fatalf("%v after\n%s", err, seen.String())
		}
		if strings.HasPrefix(line, "Ctrl-C") {
			return seen.String()
		}
	}
}

func fetch(t *testing.T, method, url string, change ...func(*http.Request)) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(r)
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestDevAPI(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	text := d.out.begun(t)
	found := regexp.MustCompile(`Open (http://127\.0\.0\.1:\d+)/ in a browser`).FindStringSubmatch(text)
	conn := regexp.MustCompile(`DefaultEndpointsProtocol=\S+`).FindString(text)
	if found == nil || conn == "" {
		t.Fatalf("no address in\n%s", text)
	}
	page, api := found[1], found[1]+"/runtime/webhooks/durabletask"
	for _, test := range []struct {
		before            string // makes a hub
		method, url       string
		status            int
		contains, without string
	}{
		{"", http.MethodGet, page + "/", 200, "There is none yet", ""},
		{"", http.MethodGet, page + "/openapi.json", 200, `"openapi"`, ""},
		{"", http.MethodGet, page + "/favicon.ico", 404, "", ""},
		{"", http.MethodGet, api + "/instances", 200, "[]", ""},
		{"", http.MethodGet, api + "/instances/x", 404, "does not exist yet", ""},
		{"", http.MethodGet, api + "/instances/x?taskHub=a%20b", 404, "not served here", ""},
		{"Orders", http.MethodGet, page + "/", 200, `instances?taskHub=Orders`, "none yet"},
		{"", http.MethodGet, page + "/?hub=Orders", 200, "Instances of Orders</h2>\n<p>There are none.", "<script"},
		{"", http.MethodGet, page + "/?hub=Orders&token=x", 400, "token", ""},
		{"", http.MethodPost, api + "/orchestrators/Checkout/one?TASKHUB=Orders", 202, `"id":"one"`, ""},
		{"", http.MethodGet, api + "/instances?taskHub=Orders", 200, `"instanceId":"one"`, ""},
		{"", http.MethodGet, api + "/instances", 200, "[]", "one"},
		{"", http.MethodPost, api + "/orchestrators/Checkout/%3Cb%3E%20&%20%22q%22?taskHub=Orders", 202, "", ""},
		{"", http.MethodGet, page + "/?hub=Orders", 200, `<td><a href="/runtime/webhooks/durabletask/instances/%3Cb%3E%20&amp;%20%22q%22?taskHub=Orders">&lt;b&gt; &amp; &#34;q&#34;</a></td>`, "<b>"},
		{"", http.MethodGet, page + "/runtime/webhooks/durabletask/instances/%3Cb%3E%20&%20%22q%22?taskHub=Orders", 202, `"instanceId":"<b> & \"q\""`, ""},
		{"", http.MethodGet, page + "/?hub=Orders", 200, `/instances/one?taskHub=Orders&amp;showHistory=true`, ""},
		{"", http.MethodPost, api + "/instances/one/terminate?taskHub=Orders&reason=50%%20", 202, "", ""},
	} {
		if test.before != "" {
			newAccount(conn).do(t, "hub", "create", test.before, "--partitions", "16").wantSuccess(t)
		}
		status, body := fetch(t, test.method, test.url)
		if status != test.status || !strings.Contains(body, test.contains) || test.without != "" && strings.Contains(body, test.without) {
			t.Errorf("%s %s: %d %s", test.method, test.url, status, body)
		}
	}
	for _, url := range []string{api + "/instances", page + "/"} {
		if status, body := fetch(t, http.MethodGet, url, func(r *http.Request) { r.Host = "evil.example" }); status != http.StatusForbidden || strings.Contains(body, "AccountKey") {
			t.Errorf("another host: %d %s", status, body)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	d.stop(t)
	if text := d.err.String(); text != "" {
		t.Errorf("stderr %q", text)
	}
}

func TestDevAPIPortInUse(t *testing.T) {
	t.Parallel()
	socket, err := net.Listen("tcp", apiHost+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	_, port, err := net.SplitHostPort(socket.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	do(t, dev(t.TempDir(), "--api-port", port)...).wantError(t, exitFailure, "the HTTP API cannot listen on 127.0.0.1:"+port, "in use", "--api-port")
	do(t, "dev", "--api-port", "70000").wantError(t, exitUsage, "--api-port is 70000")
	do(t, "dev", "--api-port", "10001").wantError(t, exitUsage, "--api-port and --queue-port are both 10001")
}
