package proxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// duration is a time.Duration that JSON shows as Go writes it, such as "1.5s".
type duration time.Duration

func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = duration(v)
	return err
}

// ruleJSON is the JSON form of a rule.
type ruleJSON struct {
	ID         int      `json:"id,omitempty"`
	Operation  string   `json:"operation,omitempty"`
	Resource   string   `json:"resource,omitempty"`
	Agent      string   `json:"agent,omitempty"`
	Nth        int      `json:"nth,omitempty"`
	Times      int      `json:"times,omitempty"`
	Rate       float64  `json:"rate,omitempty"`
	After      duration `json:"after,omitempty"`
	For        duration `json:"for,omitempty"`
	Fault      string   `json:"fault"` // as ParseFault reads it
	Code       string   `json:"code,omitempty"`
	RetryAfter duration `json:"retryAfter,omitempty"`
	Picked     int      `json:"picked"`
}

// ParseRule reads the JSON form of a rule, with the members operation, resource, agent, nth, times, rate, after, for, fault (as ParseFault reads it),
// code and retryAfter; times are texts such as "250ms". Example: {"operation":"^queue\\.put$","nth":3,"times":1,"fault":"lost"}.
func ParseRule(text []byte) (Rule, error) {
	var j ruleJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return Rule{}, fmt.Errorf("the rule is not valid JSON: %w", err)
	}
	f, err := ParseFault(j.Fault)
	if err != nil {
		return Rule{}, err
	}
	if j.Code != "" {
		f.Code = j.Code
	}
	f.RetryAfter = time.Duration(j.RetryAfter)
	return Rule{Operation: j.Operation, Resource: j.Resource, Agent: j.Agent, Nth: j.Nth, Times: j.Times, Rate: j.Rate,
		After: time.Duration(j.After), For: time.Duration(j.For), Fault: f}, nil
}

func (a *ActiveRule) json() ruleJSON {
	r := a.rule
	return ruleJSON{ID: a.id, Operation: r.Operation, Resource: r.Resource, Agent: r.Agent, Nth: r.Nth, Times: r.Times, Rate: r.Rate,
		After: duration(r.After), For: duration(r.For), Fault: r.Fault.String(), Code: r.Fault.Code, RetryAfter: duration(r.Fault.RetryAfter), Picked: a.Picked()}
}

// String returns the short form that ParseFault reads.
func (f Fault) String() string {
	switch f.Kind {
	case Refuse:
		return strconv.Itoa(f.Status)
	case Delay, DelayAnswer:
		return string(f.Kind) + ":" + f.Delay.String()
	default:
		return string(f.Kind)
	}
}

// Summary is the JSON form of what was counted.
type Summary struct {
	Operations    Counts `json:"operations"`
	Total         int    `json:"total"`
	Failed        int    `json:"failed"`
	Disturbed     int    `json:"disturbed"`
	RequestBytes  int64  `json:"requestBytes"`
	ResponseBytes int64  `json:"responseBytes"`
}

// Summary returns the counts with their totals.
func (c Counts) Summary() Summary {
	t := c.sum()
	return Summary{Operations: c, Total: t.Calls, Failed: t.Failed, Disturbed: t.Disturbed, RequestBytes: t.RequestBytes, ResponseBytes: t.ResponseBytes}
}

// Control returns the handler of the control port: GET /counts, POST /reset, GET /log (with Config.Record), GET and DELETE /rules,
// POST /rules with the JSON form of a rule, DELETE /rules/{id}.
func (p *Proxy) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /counts", func(w http.ResponseWriter, _ *http.Request) { reply(w, p.Counts().Summary()) })
	mux.HandleFunc("GET /log", func(w http.ResponseWriter, _ *http.Request) { reply(w, p.Log()) })
	mux.HandleFunc("POST /reset", func(w http.ResponseWriter, _ *http.Request) {
		p.Reset()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /rules", func(w http.ResponseWriter, _ *http.Request) {
		rules := []ruleJSON{}
		for _, a := range p.Rules() {
			rules = append(rules, a.json())
		}
		reply(w, rules)
	})
	mux.HandleFunc("POST /rules", p.postRule)
	mux.HandleFunc("DELETE /rules", func(w http.ResponseWriter, _ *http.Request) {
		p.ClearRules()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /rules/{id}", p.deleteRule)
	return mux
}

func (p *Proxy) postRule(w http.ResponseWriter, r *http.Request) {
	text, err := readAll(w, r)
	var rule Rule
	if err == nil {
		rule, err = ParseRule(text)
	}
	var a *ActiveRule
	if err == nil {
		a, err = p.AddRule(rule)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	reply(w, a.json())
}

func readAll(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	const maxRule = 64 << 10
	var text json.RawMessage
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRule)).Decode(&text)
	return text, err
}

func (p *Proxy) deleteRule(w http.ResponseWriter, r *http.Request) {
	for _, a := range p.Rules() {
		if strconv.Itoa(a.id) == r.PathValue("id") {
			a.Remove()
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	http.Error(w, "there is no such rule", http.StatusNotFound)
}

func reply[T any](w http.ResponseWriter, v T) {
	w.Header().Set("Content-Type", "application/json")
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	_ = out.Encode(v) // a client that went away is no error of ours
}
