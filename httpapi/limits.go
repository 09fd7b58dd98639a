package httpapi

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/taskhub"
)

// The routes about limits are this module's own: Durable Functions has none.

func limitRoutes() []route {
	const get, put, del = http.MethodGet, http.MethodPut, http.MethodDelete
	return []route{
		{get, "limits", false, (*call).listLimits},
		{get, "limits/{name}", false, (*call).getLimit},
		{put, "limits/{name}", false, (*call).setLimit},
		{del, "limits/{name}", false, (*call).resetLimit},
	}
}

// limitBody is a limit in answers.
type limitBody struct {
	Name            string           `json:"name"`
	Kind            string           `json:"kind"`
	Allowed         limitDefinition  `json:"allowed"`
	Declared        limitDefinition  `json:"declared"`
	Set             *limitDefinition `json:"set"`
	SetTime         *string          `json:"setTime"`
	LastUpdatedTime *string          `json:"lastUpdatedTime"`
	Problem         *string          `json:"problem"`
	Uses            []limitUse       `json:"uses"`
}

// limitDefinition is a definition in requests and answers; it has the members of its kind. A length of time is as Go writes it.
type limitDefinition struct {
	Count int    `json:"count,omitempty"`
	Per   string `json:"per,omitempty"`
	Burst int    `json:"burst,omitempty"`
	Max   int    `json:"max,omitempty"`
}

type limitUse struct {
	Key     string         `json:"key"`
	Used    int            `json:"used"`
	Left    int            `json:"left"`
	Next    *string        `json:"next"`
	Waiting []limitWaiting `json:"waiting"`
	Holders []limitHolder  `json:"holders"`
}

type limitWaiting struct {
	Worker    string  `json:"worker"`
	Calls     int     `json:"calls"`
	Instances int     `json:"instances"`
	Time      *string `json:"time"`
}

type limitHolder struct {
	Worker  string  `json:"worker"`
	Permits int     `json:"permits"`
	Until   *string `json:"until"`
}

func newLimitDefinition(s durable.LimitSpec) limitDefinition {
	d := limitDefinition{Count: s.Count, Burst: s.Burst, Max: s.Max}
	if s.Per != 0 {
		d.Per = s.Per.String()
	}
	return d
}

func newLimitBody(l *taskhub.Limit) *limitBody {
	b := &limitBody{
		Name: l.Declared.Name, Kind: string(l.Declared.Kind), Allowed: newLimitDefinition(l.Spec()), Declared: newLimitDefinition(l.Declared),
		SetTime: instantOf(l.SetAt), LastUpdatedTime: instantOf(l.UpdatedAt), Problem: textOf(l.Problem), Uses: []limitUse{},
	}
	if l.Set != nil {
		set := newLimitDefinition(*l.Set)
		b.Set = &set
	}
	for _, u := range l.Uses {
		use := limitUse{Key: u.Key, Used: u.Used, Left: u.Left, Next: instantOf(u.Next), Waiting: []limitWaiting{}, Holders: []limitHolder{}}
		for _, w := range u.Waiting {
			use.Waiting = append(use.Waiting, limitWaiting{w.Worker, w.Calls, w.Instances, instantOf(w.At)})
		}
		for _, h := range u.Holders {
			use.Holders = append(use.Holders, limitHolder{h.Worker, h.Permits, instantOf(h.Until)})
		}
		b.Uses = append(b.Uses, use)
	}
	return b
}

// limitSpec reads a definition. Members that it does not have are refused, so that one that is written wrongly is not left out silently.
func (c *call) limitSpec() (durable.Limit, error) {
	text, err := c.jsonBody()
	if err != nil {
		return nil, err
	}
	if text == nil {
		return nil, badRequest("The definition of the limit is missing")
	}
	var d limitDefinition
	decoder := json.NewDecoder(strings.NewReader(*text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		return nil, badRequest("The definition of the limit cannot be read: " + err.Error())
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, badRequest(messageInvalidJSON)
	}
	if d.Max != 0 {
		if d.Count != 0 || d.Burst != 0 || d.Per != "" {
			return nil, badRequest("max cannot be given with count, per or burst: a limit is of one kind")
		}
		return durable.ConcurrencyLimit{Name: c.name, Max: d.Max}, nil
	}
	limit := durable.RateLimit{Name: c.name, Count: d.Count, Burst: d.Burst}
	if d.Per != "" {
		if limit.Per, err = time.ParseDuration(d.Per); err != nil {
			return nil, badRequest("per is " + d.Per + ": give a length of time such as 90s, 5m or 24h")
		}
	}
	return limit, nil
}

// limitFault chooses the answer to an error about a limit.
func limitFault(err error) error {
	invalid := new(durable.LimitError)
	switch {
	case errors.As(err, &invalid):
		return &refusal{http.StatusBadRequest, problem{Message: invalid.Error()}}
	case errors.Is(err, taskhub.ErrLimitNotFound):
		return &refusal{http.StatusNotFound, problem{Message: "There is no limit of this name. Names are case-sensitive, and a limit is known once a worker has started that declares it."}}
	case errors.Is(err, taskhub.ErrLimitNotSet):
		return &refusal{http.StatusConflict, problem{Message: "Nothing was set for the limit: what the code declares holds already. With all=true the limit is deleted."}}
	}
	return err
}

func (c *call) answerLimit(l *taskhub.Limit, err error) error {
	if err != nil {
		return limitFault(err)
	}
	c.answerJSON(http.StatusOK, newLimitBody(l))
	return nil
}

func (c *call) listLimits() error {
	list, err := c.api.client.Limits(c.r.Context())
	if err != nil {
		return err
	}
	all := make([]*limitBody, len(list))
	for i, l := range list {
		all[i] = newLimitBody(l)
	}
	c.answerJSON(http.StatusOK, all)
	return nil
}

func (c *call) getLimit() error {
	l, err := c.api.client.GetLimit(c.r.Context(), c.name)
	return c.answerLimit(l, err)
}

// setLimit lets a definition hold in place of the code's.
func (c *call) setLimit() error {
	limit, err := c.limitSpec()
	if err != nil {
		return err
	}
	l, err := c.api.client.SetLimit(c.r.Context(), limit)
	return c.answerLimit(l, err)
}

// resetLimit removes what was set, or with all=true the limit.
func (c *call) resetLimit() error {
	if strings.EqualFold(c.query.get("all"), "true") {
		if err := c.api.client.DeleteLimit(c.r.Context(), c.name); err != nil {
			return limitFault(err)
		}
		c.answer(http.StatusNoContent)
		return nil
	}
	l, err := c.api.client.ResetLimit(c.r.Context(), c.name)
	return c.answerLimit(l, err)
}
