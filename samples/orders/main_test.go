package main

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/go-taskhub/taskhub/internal/testkit"
)

func TestProgram(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args []string
		want Outcome
	}{
		"shipped":      {nil, Outcome{OrderID: "o-1", Status: "shipped", Tracking: "T-o-1"}},
		"out of stock": {[]string{"--item", "lamp", "--quantity", "2"}, Outcome{"o-1", "cancelled", "", "out of stock", []string{"ReleaseInventory"}}},
		"declined":     {[]string{"--customer", "ken"}, Outcome{"o-1", "cancelled", "", "the card was declined", []string{"RefundCustomer", "ReleaseInventory"}}},
		"no carrier":   {[]string{"--country", "Atlantis"}, Outcome{"o-1", "cancelled", "", "no carrier goes there", []string{"RefundCustomer", "ReleaseInventory"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			if err := run(t.Context(), append(tt.args, "--id", "o-1", "--conn", testkit.Conn(t), "--hub", testkit.Hub(t)), &out); err != nil {
				t.Fatal(err)
			}
			var got Outcome
			if err := json.Unmarshal(out.Bytes(), &got); err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

func TestBadArguments(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--nope"}, {"stray"}, {"--quantity", "0"}, {"--cents", "-1"}, {"--id", "a/b"}, {"--conn", ""}, {"--hub", "a/b"},
	} {
		var out bytes.Buffer
		if err := run(t.Context(), args, &out); err == nil || strings.Contains(out.String(), "shipped") {
			t.Errorf("%q: %v, %s", args, err, out.String())
		}
	}
}
