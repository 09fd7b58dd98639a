package proxy

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pattern returns which of n equal operations a rule picks, as a text of 0 and 1.
func pattern(t *testing.T, r Rule, seed uint64, n int) string {
	t.Helper()
	r.Fault.Kind = Reset
	a, err := newActiveRule(r, 1, seed, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for range n {
		if a.picks(Operation{Name: "queue.put", Resource: "hub-control-00/messages", Agent: "worker/1"}, time.Now()) {
			b.WriteByte('1')
		} else {
			b.WriteByte('0')
		}
	}
	return b.String()
}

func TestWhichOperationsAreWhatARulePicks(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		rule Rule
		want string
	}{
		{"all", Rule{}, "11111"},
		{"by operation", Rule{Operation: `^queue\.put$`}, "11111"},
		{"by another operation", Rule{Operation: `^queue\.get$`}, "00000"},
		{"by resource", Rule{Resource: `control-00`}, "11111"},
		{"by another resource", Rule{Resource: `control-01`}, "00000"},
		{"by agent", Rule{Agent: `^worker`}, "11111"},
		{"by another agent", Rule{Agent: `^client`}, "00000"},
		{"from the third", Rule{Nth: 3}, "00111"},
		{"two", Rule{Times: 2}, "11000"},
		{"the third only", Rule{Nth: 3, Times: 1}, "00100"},
		{"sleeping", Rule{After: time.Hour}, "00000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := pattern(t, tt.rule, 7, 5); got != tt.want {
				t.Errorf("picked %s, want %s", got, tt.want)
			}
		})
	}
}

func TestRateRepeatsBySeed(t *testing.T) {
	t.Parallel()
	const n = 2000
	rule := Rule{Rate: 0.25}
	first := pattern(t, rule, 42, n)
	if again := pattern(t, rule, 42, n); again != first {
		t.Error("the same seed picks other operations")
	}
	if other := pattern(t, rule, 43, n); other == first {
		t.Error("another seed picks the same operations")
	}
	if ones := strings.Count(first, "1"); ones < n/5 || ones > n*3/10 {
		t.Errorf("a rate of 0.25 picked %d of %d", ones, n)
	}
}

func TestWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, err := newActiveRule(Rule{After: time.Minute, For: time.Minute, Fault: Fault{Kind: Reset}}, 1, 0, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		var got []bool
		for range 4 {
			got = append(got, a.picks(Operation{}, time.Now()))
			time.Sleep(40 * time.Second)
		}
		if want := []bool{false, false, true, false}; !slices.Equal(got, want) {
			t.Errorf("at 0, 40, 80 and 120 seconds: %v, want %v", got, want)
		}
	})
}

func TestFirstRuleDecides(t *testing.T) {
	t.Parallel()
	p := start(t, newService(t, nil).addresses())
	first := addRule(t, p, Rule{Times: 1, Fault: Fault{Kind: Refuse, Status: 500}})
	second := addRule(t, p, Rule{Fault: Fault{Kind: Refuse, Status: 503}})
	c := newClient(t)
	var got []int
	for range 2 {
		got = append(got, put(t, c, p, "x").status)
	}
	second.Remove()
	second.Remove()
	got = append(got, put(t, c, p, "x").status)
	if want := []int{500, 503, 201}; !slices.Equal(got, want) || first.Picked() != 1 || second.Picked() != 1 {
		t.Errorf("got %v, want %v; picked %d and %d", got, want, first.Picked(), second.Picked())
	}
	p.ClearRules()
	if n := len(p.Rules()); n != 0 {
		t.Errorf("%d rules are left", n)
	}
}

func TestBadRules(t *testing.T) {
	t.Parallel()
	p := start(t, PortsFrom(1))
	for name, r := range map[string]Rule{
		"no kind":                 {},
		"an unknown kind":         {Fault: Fault{Kind: "burn"}},
		"a status that is none":   {Fault: Fault{Kind: Refuse, Status: 200}},
		"a rate above 1":          {Rate: 2, Fault: Fault{Kind: Reset}},
		"a negative count":        {Nth: -1, Fault: Fault{Kind: Reset}},
		"a negative delay":        {Fault: Fault{Kind: Delay, Delay: -1}},
		"an expression that's no": {Operation: "(", Fault: Fault{Kind: Reset}},
	} {
		if _, err := p.AddRule(r); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestParseFault(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Fault{
		"503":                 {Kind: Refuse, Status: 503, Code: "ServerBusy", Delay: time.Second},
		"lost":                {Kind: Lost, Status: 503, Code: "ServerBusy", Delay: time.Second},
		"delay:250ms":         {Kind: Delay, Status: 503, Code: "ServerBusy", Delay: 250 * time.Millisecond},
		"delay-answer:1m0.5s": {Kind: DelayAnswer, Status: 503, Code: "ServerBusy", Delay: time.Minute + 500*time.Millisecond},
	} {
		got, err := ParseFault(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
		if again, err := ParseFault(got.String()); err != nil || again != want {
			t.Errorf("%s becomes %s: %+v, %v", text, got, again, err)
		}
	}
	for _, text := range []string{"", "burn", "200", "5030", "delay:soon", "delay:-1s"} {
		if f, err := ParseFault(text); err == nil {
			t.Errorf("%q gives %+v", text, f)
		}
	}
}

func TestControl(t *testing.T) {
	t.Parallel()
	p := start(t, newService(t, nil).addresses())
	control := httptest.NewServer(p.Control())
	t.Cleanup(control.Close)
	c := newClient(t)
	ask := func(method, path, body string, into any) int {
		req, err := http.NewRequestWithContext(t.Context(), method, control.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if into != nil {
			if err := json.Unmarshal(text, into); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
		return res.StatusCode
	}
	var made ruleJSON
	if status := ask("POST", "/rules", `{"operation":"^queue\\.put$","nth":2,"times":1,"fault":"429","retryAfter":"3s","for":"1h"}`, &made); status != http.StatusOK || made.ID != 1 {
		t.Fatalf("%d %+v", status, made)
	}
	var statuses []int
	for range 3 {
		statuses = append(statuses, put(t, c, p, "x").status)
	}
	if want := []int{201, 429, 201}; !slices.Equal(statuses, want) {
		t.Errorf("statuses %v, want %v", statuses, want)
	}
	var sum Summary
	ask("GET", "/counts", "", &sum)
	if sum.Total != 3 || sum.Disturbed != 1 || sum.Operations["queue.put"].Calls != 3 {
		t.Errorf("counts %+v", sum)
	}
	var log []Entry
	if ask("GET", "/log", "", &log); len(log) != 3 || log[1].Fault != Refuse {
		t.Errorf("log %+v", log)
	}
	var rules []ruleJSON
	if ask("GET", "/rules", "", &rules); len(rules) != 1 || rules[0].Picked != 1 || rules[0].Fault != "429" || time.Duration(rules[0].RetryAfter) != 3*time.Second {
		t.Errorf("rules %+v", rules)
	}
	for path, want := range map[string]int{"/rules/9": 404, "/rules/1": 204, "/rules": 204} {
		if status := ask("DELETE", path, "", nil); path != "/rules/1" && status != want {
			t.Errorf("DELETE %s: %d, want %d", path, status, want)
		}
	}
	for _, bad := range []string{"", "{", `{"fault":"burn"}`, `{"fault":"lost","rate":7}`, `{"fault":"lost","after":"soon"}`} {
		if status := ask("POST", "/rules", bad, nil); status != http.StatusBadRequest {
			t.Errorf("POST %q: %d", bad, status)
		}
	}
	if ask("POST", "/reset", "", nil); p.Counts().Total() != 0 || len(p.Log()) != 0 {
		t.Error("reset leaves something")
	}
}

func TestLogAndBodies(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := newService(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Ms-Lease-Id", "lease-1")
		w.Header().Set("Etag", `"0x1"`)
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write([]byte{0xff, 0x00})
	})
	p := start(t, s.addresses(), func(c *Config) { c.Log, c.Bodies, c.MaxBody = &log, true, 4 })
	c := newClient(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+p.Addresses().Blob+"/acct/hub-leases/intent/hub-control-00?comp=lease&sig=secret", strings.NewReader("héllo"))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]string{"X-Ms-Lease-Action": "acquire", "X-Ms-Proposed-Lease-Id": "p-1", "If-Match": "*", "User-Agent": "azsdk-net", "Authorization": "SharedKey secret"} {
		req.Header.Set(k, v)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(log.String(), "secret") || strings.Count(log.String(), "\n") != 1 {
		t.Fatalf("log %s", log.String())
	}
	var e Entry
	if err := json.Unmarshal(log.Bytes(), &e); err != nil {
		t.Fatal(err)
	}
	if e.Op != "blob.put.lease" || e.Name != "hub-leases/intent/hub-control-00" || e.Lease != "acquire" || e.LeaseID != "lease-1" || e.ProposedLease != "p-1" ||
		e.IfMatch != "*" || e.ETag != `"0x1"` || e.Agent != "azsdk-net" || e.Status != 200 || e.N != 1 || e.Client == "" || e.Time.Location() != time.UTC {
		t.Errorf("entry %+v", e)
	}
	if string(e.Request.Bytes()) != "hél" || !e.Request.Cut || !bytes.Equal(e.Response.Bytes(), []byte{0xff, 0}) || e.Response.Cut {
		t.Errorf("bodies %+v %+v", e.Request, e.Response)
	}
}

func TestCountsSub(t *testing.T) {
	t.Parallel()
	before := Counts{"a": {Calls: 1, RequestBytes: 5}, "b": {Calls: 2}}
	after := Counts{"a": {Calls: 4, Failed: 1, RequestBytes: 9}, "b": {Calls: 2}, "c": {Calls: 1}}
	got := after.Sub(before)
	if len(got) != 2 || got["a"] != (OperationCount{Calls: 3, Failed: 1, RequestBytes: 4}) || got["c"].Calls != 1 || got.Total() != 4 {
		t.Errorf("got %+v", got)
	}
}
