package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/taskhub"
)

// get answers with the state of an instance.
func (c *call) get() error {
	var options []taskhub.GetOption
	inputs := c.query.flag("showInput", true)
	if !inputs {
		options = append(options, taskhub.OmitInput())
	}
	in, err := c.api.client.Get(c.r.Context(), c.id, options...)
	if err != nil && in != nil {
		return errors.Join(errDamaged, err)
	}
	if err != nil {
		return err
	}
	body := newStatus(in)
	if c.query.flag("showHistory", false) && in.Status != history.Pending {
		events, err := c.api.client.History(c.r.Context(), c.id)
		if err != nil {
			return err
		}
		shaped := shape(events, inputs, c.query.flag("showHistoryOutput", false))
		body.HistoryEvents = &shaped
	}
	c.answerStatus(in, body, c.query.flag("returnInternalServerErrorOnFailure", false))
	return nil
}

// answerStatus answers with a state, and the code that goes with it.
func (c *call) answerStatus(in *durable.Instance, body *statusBody, failureIsError bool) {
	switch {
	case !isKnown(in.Status):
		c.answerJSON(http.StatusInternalServerError, problem{Message: fmt.Sprintf("The state of instance %q is none that is known", in.InstanceID)})
	case !in.Status.IsTerminal():
		c.w.Header().Set("Location", c.address())
		c.w.Header().Set("Retry-After", retryGet)
		c.answerJSON(http.StatusAccepted, body)
	case in.Status == history.Failed && failureIsError:
		c.answerJSON(http.StatusInternalServerError, body)
	default:
		c.answerJSON(http.StatusOK, body)
	}
}

// Sizes of a page of instances.
const (
	defaultPage = 100
	maxPage     = 1000
)

// list answers with a page of the instances.
func (c *call) list() error {
	q := taskhub.Query{
		IDPrefix: c.query.get("instanceIdPrefix"), Statuses: c.query.statuses(),
		Inputs: c.query.flag("showInput", true), Outputs: true, IncludeEntities: true,
		PageSize: min(c.query.number("top", defaultPage), maxPage),
	}
	q.CreatedFrom, _ = c.query.date("createdTimeFrom")
	q.CreatedTo, _ = c.query.date("createdTimeTo")
	page, err := c.api.client.QueryPage(c.r.Context(), q, c.r.Header.Get(headerToken))
	if errors.Is(err, taskhub.ErrHubNotFound) {
		page, err = &taskhub.Page{}, nil
	}
	if err != nil {
		return err
	}
	all := make([]*statusBody, len(page.Instances))
	for i, in := range page.Instances {
		if in.Problem != nil { // one such instance must not hide the others
			c.api.cfg.Logger.WarnContext(c.r.Context(), "an instance is listed without what cannot be read",
				slog.String(keyHub, c.api.hub.Name()), slog.String(keyInstance, in.InstanceID), slog.Any(keyError, in.Problem))
		}
		all[i] = newStatus(&in.Instance)
	}
	c.w.Header().Set(headerToken, page.Next)
	c.answerJSON(http.StatusOK, all)
	return nil
}

// purged is the body of an answer to a purge.
type purged struct {
	InstancesDeleted int `json:"instancesDeleted"`
}

// purge deletes a finished instance.
func (c *call) purge() error {
	if !utf8.ValidString(c.id) { // nobody's, and no name of a blob either
		return taskhub.ErrInstanceNotFound
	}
	result, err := c.api.client.Purge(c.r.Context(), c.id)
	if unfinished, ok := errors.AsType[*taskhub.InstanceNotFinishedError](err); ok {
		return &refusal{http.StatusPreconditionFailed,
			fmt.Sprintf("Instance %q is %s: terminate it or wait until it has finished, and then purge it", c.id, unfinished.Status)}
	}
	entity := strings.HasPrefix(c.id, "@") // the original does not look whether there is such an entity
	if err != nil && !(entity && errors.Is(err, taskhub.ErrHubNotFound)) {
		return err
	}
	if result.Instances == 0 && !entity {
		return taskhub.ErrInstanceNotFound
	}
	c.answerJSON(http.StatusOK, purged{result.Instances})
	return nil
}

// purgeMany deletes the finished instances of a time.
func (c *call) purgeMany() error {
	filter, wanted, err := c.purgeFilter()
	if err != nil {
		return err
	}
	if !wanted {
		c.answer(http.StatusNotFound)
		return nil
	}
	done, err := c.api.client.PurgeAll(c.r.Context(), filter)
	switch {
	case errors.Is(err, taskhub.ErrHubNotFound), err == nil && done.Instances == 0:
		c.answer(http.StatusNotFound)
		return nil
	case err != nil:
		return err
	}
	c.answerJSON(http.StatusOK, purged{done.Instances})
	return nil
}

// purgeFilter reads what is to be purged. It is not wanted when states were given and none of them is an end, or none is
// known: what was misspelled must not delete everything.
func (c *call) purgeFilter() (filter taskhub.PurgeFilter, wanted bool, err error) {
	from, ok := c.query.date("createdTimeFrom")
	if !ok {
		return filter, false, &refusal{http.StatusBadRequest, "Please provide value for 'createdTimeFrom' parameter, a date such as 2026-11-21T08:00:00Z."}
	}
	filter.CreatedFrom = from
	filter.CreatedTo, _ = c.query.date("createdTimeTo")
	statuses := c.query.statuses()
	for _, status := range statuses {
		if status.IsTerminal() {
			filter.Statuses = append(filter.Statuses, status)
		}
	}
	given := strings.Trim(strings.Join(c.query["runtimestatus"], ","), ", ") != ""
	return filter, !given || len(filter.Statuses) > 0, nil
}
