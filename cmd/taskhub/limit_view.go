package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/taskhub"
)

// limitJSON is a limit as -o json shows it.
type limitJSON struct {
	Name     string         `json:"name"`
	Kind     string         `json:"kind"`
	Allowed  limitSpecJSON  `json:"allowed"`
	Declared limitSpecJSON  `json:"declared"`
	Set      *limitSpecJSON `json:"set"`
	SetTime  *string        `json:"setTime"`
	Updated  *string        `json:"lastUpdatedTime"`
	Problem  *string        `json:"problem"`
	Uses     []limitUseJSON `json:"uses"`
}

// limitSpecJSON has the members of the limit's kind.
type limitSpecJSON struct {
	Count int    `json:"count,omitempty"`
	Per   string `json:"per,omitempty"`
	Burst int    `json:"burst,omitempty"`
	Max   int    `json:"max,omitempty"`
}

type limitUseJSON struct {
	Key     string             `json:"key"`
	Used    int                `json:"used"`
	Left    int                `json:"left"`
	Next    *string            `json:"next"`
	Waiting []limitWaitingJSON `json:"waiting"`
	Holders []limitHolderJSON  `json:"holders"`
}

type limitWaitingJSON struct {
	Worker    string  `json:"worker"`
	Calls     int     `json:"calls"`
	Instances int     `json:"instances"`
	Time      *string `json:"time"`
}

type limitHolderJSON struct {
	Worker  string  `json:"worker"`
	Permits int     `json:"permits"`
	Until   *string `json:"until"`
}

func newLimitSpecJSON(s durable.LimitSpec) limitSpecJSON {
	view := limitSpecJSON{Count: s.Count, Burst: s.Burst, Max: s.Max}
	if s.Per != 0 {
		view.Per = s.Per.String()
	}
	return view
}

func newLimitJSON(l *taskhub.Limit) limitJSON {
	view := limitJSON{
		Name: l.Declared.Name, Kind: string(l.Declared.Kind), Allowed: newLimitSpecJSON(l.Spec()), Declared: newLimitSpecJSON(l.Declared),
		SetTime: jsonTime(l.SetAt), Updated: jsonTime(l.UpdatedAt), Problem: optionalText(l.Problem), Uses: []limitUseJSON{},
	}
	if l.Set != nil {
		set := newLimitSpecJSON(*l.Set)
		view.Set = &set
	}
	for _, u := range l.Uses {
		use := limitUseJSON{Key: u.Key, Used: u.Used, Left: u.Left, Next: jsonTime(u.Next), Waiting: []limitWaitingJSON{}, Holders: []limitHolderJSON{}}
		for _, w := range u.Waiting {
			use.Waiting = append(use.Waiting, limitWaitingJSON{w.Worker, w.Calls, w.Instances, jsonTime(w.At)})
		}
		for _, h := range u.Holders {
			use.Holders = append(use.Holders, limitHolderJSON{h.Worker, h.Permits, jsonTime(h.Until)})
		}
		view.Uses = append(view.Uses, use)
	}
	return view
}

func describeLimit(l *taskhub.Limit, now time.Time) string {
	var text strings.Builder
	line := func(title, value string) {
		if value != "" {
			fmt.Fprintf(&text, "%-13s %s\n", title, clean(value))
		}
	}
	at := func(title string, when time.Time) {
		if !when.IsZero() {
			line(title, formatTime(when)+" "+relative(when, now))
		}
	}
	line("Limit", l.Declared.Name)
	line("Kind", string(l.Declared.Kind))
	line("Allowed", l.Spec().String())
	if l.Set != nil {
		at("Set", l.SetAt)
		line("Declared", l.Declared.String())
	}
	line("Problem", l.Problem)
	for _, u := range usesOf(l) {
		if u.Key != "" {
			line("Key", u.Key)
		}
		line("Used", fmt.Sprintf("%d, %d left", u.Used, u.Left))
		at("Next", u.Next)
		for _, w := range u.Waiting {
			line("Waiting", fmt.Sprintf("%s: %d, of %d instances", w.Worker, w.Calls, w.Instances))
		}
		for _, h := range u.Holders {
			line("Held", fmt.Sprintf("%s: %d until %s", h.Worker, h.Permits, formatTime(h.Until)))
		}
	}
	return text.String()
}
