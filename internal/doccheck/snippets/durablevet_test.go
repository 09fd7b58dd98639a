package snippets

import (
	"testing"
	"time"
)

// rateTable stands for something that is loaded once.
type rateTable struct{ rates []int }

func (r rateTable) Load() []int { return r.rates }

var table = rateTable{[]int{19, 7}}

func TestIgnored(t *testing.T) {
	t.Parallel()
	started := time.Now() //durablevet:ignore measures this process only

	//durablevet:ignore the table is built once and never changes
	rates := table.Load()

	if len(rates) != 2 || started.IsZero() {
		t.Error(rates, started)
	}
}
