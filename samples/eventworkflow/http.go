package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/httpapi"
	"github.com/go-taskhub/taskhub/taskhub"
)

// site answers requests about workflows.
type site struct {
	api    *httpapi.API
	client *taskhub.Client
}

// routes are the three addresses, and the management API that the answer of the first leads to.
func (s *site) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/start/{input}", s.start)
	mux.HandleFunc("/check/{input}", s.check)
	mux.HandleFunc("/stop/{input}", s.stop)
	mux.Handle("/api/", http.StripPrefix("/api", mux)) // Durable Functions puts api/ in front
	mux.Handle("/", s.api)
	return mux
}

// start starts a workflow and answers with the addresses at which it is managed.
func (s *site) start(w http.ResponseWriter, r *http.Request) {
	run, err := Workflow.Start(r.Context(), s.client, r.PathValue("input"))
	if err != nil {
		refuse(w, err)
		return
	}
	s.api.CreateCheckStatusResponse(w, r, run.InstanceID())
}

// workflow is what check tells, under the names that Durable Functions gives it.
type workflow struct {
	Name            string    `json:"name"`
	InstanceID      string    `json:"instanceId"`
	RuntimeStatus   string    `json:"runtimeStatus"`
	Input           string    `json:"input"`
	CreatedTime     time.Time `json:"createdTime"`
	LastUpdatedTime time.Time `json:"lastUpdatedTime"`
}

// check answers with a workflow's state.
func (s *site) check(w http.ResponseWriter, r *http.Request) {
	in, err := find(r.Context(), s.client, r.PathValue("input"))
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, http.StatusOK, in)
}

// stop raises the event that ends a workflow.
func (s *site) stop(w http.ResponseWriter, r *http.Request) {
	input := r.PathValue("input")
	in, err := find(r.Context(), s.client, input)
	if err == nil {
		err = s.client.RaiseEvent(r.Context(), in.InstanceID, stopEvent, input)
	}
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, http.StatusAccepted, in)
}

func answer(w http.ResponseWriter, status int, in *durable.Instance) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	input, _ := durable.Input[string](in) // find has read it before
	_ = json.NewEncoder(w).Encode(workflow{in.Name, in.InstanceID, in.Status.String(), input, in.CreatedAt, in.LastUpdatedAt})
}

func refuse(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, errNoWorkflow):
		status = http.StatusNotFound
	case errors.Is(err, taskhub.ErrInstanceFinished):
		status = http.StatusGone
	}
	http.Error(w, err.Error(), status)
}
