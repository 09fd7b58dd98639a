package programs_test

import (
	"context"
	"strings"
	"testing"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/internal/twins/programs"
)

func TestActivities(t *testing.T) {
	t.Parallel()
	flaky := programs.NewFlaky()
	tests := []struct {
		activity   durable.Registrable
		input      string
		want, fail string
	}{
		{programs.Say, `["Tokyo"]`, `"Hello Tokyo!"`, ""},
		{programs.Say, `[5]`, `"Hello 5!"`, ""},
		{programs.Say, `[null]`, `"Hello !"`, ""},
		{programs.Say, `[{}]`, "", "is not a string"},
		{programs.Square, `[-7]`, `49`, ""},
		{programs.Square, `[46341]`, `-2147479015`, ""},
		{programs.Big, `[3]`, `"rrr"`, ""},
		{programs.Big, `[-3]`, "", "negative"},
		{programs.Fail, `["x"]`, "", "activity failed: x"},
		{flaky, `["k"]`, "", "attempt 1 failed"},
		{flaky, `["other"]`, "", "attempt 1 failed"},
		{flaky, `["k"]`, "", "attempt 2 failed"},
		{flaky, `["k"]`, `"ok after 3"`, ""},
		{programs.Echo, `[{"X":1,"Y":2.5,"Label":"é","When":"2026-01-02T03:04:05.678Z"}]`, `{"X":1,"Y":2.5,"Label":"é","When":"2026-01-02T03:04:05.678Z"}`, ""},
		{programs.Slow, `[1]`, `1`, ""},
		{programs.NoInput, `[]`, `"null"`, ""},
		{programs.NoInput, `["x"]`, `"x"`, ""},
	}
	for _, tt := range tests {
		got, err := tt.activity.Handler()(context.Background(), &tt.input)
		switch {
		case tt.fail != "":
			if err == nil || !strings.Contains(err.Error(), tt.fail) {
				t.Errorf("%s%s: %v, want %s", tt.activity.Name(), tt.input, err, tt.fail)
			}
		case err != nil || *got != tt.want:
			t.Errorf("%s%s: %v, %v, want %s", tt.activity.Name(), tt.input, got, err, tt.want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	long := `[60000]`
	if _, err := programs.Slow.Handler()(ctx, &long); err == nil {
		t.Error("Slow does not mind being canceled")
	}
}

func TestAllProgramsAreListed(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range append(programs.Activities(), programs.Orchestrators()...) {
		if err := r.Validate(); err != nil || seen[r.Name()] {
			t.Errorf("%s: %v, twice %v", r.Name(), err, seen[r.Name()])
		}
		seen[r.Name()] = true
	}
	if len(seen) != 8+27 {
		t.Errorf("%d programs", len(seen))
	}
}
