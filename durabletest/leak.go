package durabletest

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"
)

// leakLabel is the label of goroutines that orchestrators of an environment run on or have started: goroutines inherit
// the labels of those that start them. It tells them from the goroutines of other tests that run at the same time.
const leakLabel = "durabletest"

func (env *Env) label() string { return fmt.Sprintf("%p", env) }

// labeled runs f, which advances a session.
func (env *Env) labeled(f func()) {
	pprof.Do(env.ctx, pprof.Labels(leakLabel, env.label()), func(context.Context) { f() })
}

// leaks are goroutines that have stayed.
type leaks struct {
	count  int
	stacks []string
}

// leaked returns the goroutines that are still there. Those that are about to end get a moment.
func (env *Env) leaked() leaks {
	const patience, pause = time.Second, 10 * time.Millisecond
	var left leaks
	for waited := time.Duration(0); waited < patience; waited += pause {
		for range 10 {
			if left = env.labeledGoroutines(); left.count == 0 {
				return left
			}
			runtime.Gosched()
		}
		time.Sleep(pause)
	}
	return left
}

// labeledGoroutines finds the goroutines with the environment's label in a profile of all. A record of it stands for all
// goroutines of the same stack, and begins with their number.
func (env *Env) labeledGoroutines() leaks {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return leaks{} // a buffer takes everything
	}
	_, records, _ := strings.Cut(profile.String(), "\n") // the first line is a total
	mark := fmt.Sprintf("%q:%q", leakLabel, env.label())
	var found leaks
	for record := range strings.SplitSeq(records, "\n\n") {
		if !strings.Contains(record, mark) {
			continue
		}
		record = strings.TrimSpace(record)
		number, _, _ := strings.Cut(record, " ")
		if n, err := strconv.Atoi(number); err == nil {
			found.count += n
			found.stacks = append(found.stacks, record)
		}
	}
	return found
}
