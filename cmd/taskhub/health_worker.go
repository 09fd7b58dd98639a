package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/worker"
)

const (
	workerPatience = 10 * time.Second
	// maxHealth bounds what is read of a worker's answer.
	maxHealth = 1 << 20
)

// checkURL wants an address that can be asked.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%q is not an address such as http://127.0.0.1:8080/healthz", text)
	}
	return nil
}

// ask asks a worker how it is, and shows the answer.
func (o *healthOptions) ask(ctx context.Context, w world) error {
	h, raw, err := askWorker(ctx, o.url)
	if err != nil {
		return err
	}
	if o.output.value == formatJSON {
		err = writeJSON(w.out, raw)
	} else {
		err = showWorker(w, h, o.output.value)
	}
	if err == nil && !h.Healthy {
		err = fmt.Errorf("worker %q is %w: %s", h.Worker, errUnhealthy, strings.Join(h.Reasons, "; "))
	}
	return err
}

// askWorker fetches a worker's answer.
func askWorker(ctx context.Context, address string) (*worker.Health, json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, workerPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, nil, usage(fmt.Errorf("--url: %w", err))
	}
	request.Header.Set("Accept", "application/json")
	request.Close = true
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return nil, nil, unanswered(ctx, address, err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxHealth))
	if err != nil {
		return nil, nil, unanswered(ctx, address, err)
	}
	var h worker.Health
	known := response.StatusCode == http.StatusOK || response.StatusCode == http.StatusServiceUnavailable
	if !known || json.Unmarshal(text, &h) != nil || h.Hub == "" {
		return nil, nil, fmt.Errorf("--url: %s answered %s, but not as a worker's health handler does: check the address and the path", address, response.Status)
	}
	return &h, text, nil
}

// unanswered explains why a worker could not be asked.
func unanswered(ctx context.Context, address string, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return withStatus(exitTimeout, fmt.Errorf("--url: nothing answers at %s within %v", address, workerPatience))
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("--url: nothing answers at %s (%w): see that the worker runs and serves its health there", address, innermost(err))
}

func showWorker(w world, h *worker.Health, format string) error {
	state := "ok"
	if !h.Healthy {
		state = "not healthy"
	}
	if w.colours(w.out) {
		state = paintHealth(state)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "Worker %q of hub %q: %s.", clean(h.Worker), clean(h.Hub), state)
	if h.Version != "" {
		fmt.Fprintf(&text, " Version %s.", clean(h.Version))
	}
	fmt.Fprintf(&text, "\nOrchestrations %d of %d, activities %d of %d, %d waiting.\n", h.Orchestrations.Running, h.Orchestrations.Limit,
		h.Activities.Running, h.Activities.Limit, h.Activities.Waiting)
	for _, parked := range h.Parked {
		fmt.Fprintf(&text, "Parked: %s %q: %s\n", clean(parked.Kind), clean(parked.Name), clean(parked.Reason))
	}
	if _, err := io.WriteString(w.out, text.String()+"\n"); err != nil {
		return err
	}
	list := newTable(w, format, column{title: "PARTITION"}, column{title: "STATE"}, column{title: "OWNER"}, column{title: "LEASE UNTIL"}, column{title: "LAST RECEIVE"},
		column{title: "WAITING"}, column{title: "SESSIONS"}, column{title: "COMMITS", wide: true}, column{title: "REASON", wide: true})
	for _, p := range h.Partitions {
		if err := list.add(strconv.Itoa(p.Partition), p.State, p.Owner, formatTime(p.LeaseUntil), formatTime(p.LastReceive),
			strconv.Itoa(p.Waiting), strconv.Itoa(p.Sessions), strconv.FormatInt(p.Commits, 10), p.Reason); err != nil {
			return err
		}
	}
	return list.end()
}
