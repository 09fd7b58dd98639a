package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/taskhub"
)

// TestShape: the verbs and flags that others call stay.
func TestShape(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{
		"worker", "start", "wait", "state", "query", "raise", "terminate", "suspend", "resume", "rewind", "purge", "signal", "entity",
	} {
		if !slices.Contains(verbNames(), verb) {
			t.Errorf("there is no verb %s", verb)
		}
	}
	flags := strings.Fields("--conn C --hub H --mode table --partitions 2 --errors exceptions --worker w --seconds 1.5 --only-activities Say,Square " +
		"--only-orchestrations all --name N --id I --input 1 --delay 2 --event E --data 1 --reason R --op add --wait 3 --maxpoll 500 --fleet mixed " +
		"--applease false --activities 5 --orchestrations 6 --extended --verbose")
	o, err := parse("worker", flags)
	if err != nil {
		t.Fatal(err)
	}
	cfg := o.workerConfig()
	if cfg.ID != "w" || cfg.MaxActivities != 5 || cfg.MaxOrchestrations != 6 || !cfg.DisableAppLease || cfg.Fleet != "mixed" || cfg.MaxPoll.Milliseconds() != 500 {
		t.Errorf("the worker is configured as %+v", cfg)
	}
	if o, err := parse("start", nil); err != nil || o.mode != "safe" || o.hub != "TaskHub" || o.json("input", o.input) != nil {
		t.Errorf("without flags: %+v, %v", o, err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"":                                   "the first argument is one of",
		"fly":                                "the first argument is one of",
		"worker --fleet other":               `--fleet "other" is neither go nor mixed`,
		"worker --applease maybe":            "neither true nor false",
		"worker --entities":                  "entities are not supported yet",
		"signal --id @accumulator@k":         "entities are not supported yet",
		"entity --id @accumulator@k":         "entities are not supported yet",
		"start there":                        `"there" is not a flag`,
		"start --wings 2":                    "wings",
		"state --mode none --conn embedded:": "none",
		"state --errors none":                "neither details nor exceptions",
	}
	for line, want := range tests {
		if err := run(context.Background(), strings.Fields(line)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
}

// TestClientVerbs: what is unknown or unfit is an error, and wait prints null.
func TestClientVerbs(t *testing.T) {
	t.Parallel()
	account := []string{"--conn", testkit.Conn(t), "--hub", testkit.Hub(t)}
	call := func(args ...string) error { return run(t.Context(), append(args, account...)) }
	if err := call("start", "--name", "Empty", "--id", "one", "--input", `"x"`); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		want error
		args []string
	}{
		{errNotEnded, []string{"wait", "--id", "one", "--wait", "0.2"}},
		{errNotEnded, []string{"wait", "--id", "none", "--wait", "0.2"}},
		{errNotEnded, []string{"state", "--id", "none"}},
		{nil, []string{"state", "--id", "one"}},
		{nil, []string{"query"}},
		{nil, []string{"raise", "--id", "one", "--event", "E", "--data", "1"}},
		{nil, []string{"suspend", "--id", "one", "--reason", "r"}},
		{nil, []string{"resume", "--id", "one", "--reason", "r"}},
		{taskhub.ErrInstanceNotFailed, []string{"rewind", "--id", "one", "--reason", "r"}},
		{nil, []string{"terminate", "--id", "one", "--reason", "r"}},
		{taskhub.ErrInstanceNotFound, []string{"terminate", "--id", "none", "--reason", "r"}},
		{nil, []string{"purge", "--id", "one"}},
		{taskhub.ErrInstanceNotFound, []string{"raise", "--id", "one", "--event", "E"}},
	}
	for _, tt := range tests {
		if err := call(tt.args...); !errors.Is(err, tt.want) || tt.want == nil && err != nil {
			t.Errorf("%v: %v, want %v", tt.args, err, tt.want)
		}
	}
}
