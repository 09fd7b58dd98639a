package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// printWork prints the measurements as a table in Markdown. Ratios are to the .NET library in the same run.
func printWork(w io.Writer, outcomes []outcome) {
	if len(outcomes) == 0 {
		return
	}
	fmt.Fprintln(w, "| work | in flight | system | orchestrations | seconds | a second | × .NET | p50 ms | p99 ms | calls each | list price of a million, USD |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|---|---|")
	for _, o := range outcomes {
		if o.err != nil {
			fmt.Fprintf(w, "| %s | %d | %s | failed | | | | | | | |\n", o.job.title, o.job.inFlight, o.system.name)
			continue
		}
		fmt.Fprintf(w, "| %s | %d | %s | %d | %.2f | %s | %s | %.1f | %.1f | %.1f | %.0f |\n", o.job.title, o.job.inFlight, o.system.name, o.job.n,
			o.Seconds, rate(o.Rate), ratio(o, outcomes), o.P50, o.P99, o.each(), usd(o.calls)/float64(o.job.n)*1e6)
	}
	fmt.Fprintln(w)
}

func rate(r float64) string {
	if r < 10 {
		return fmt.Sprintf("%.2f", r)
	}
	return fmt.Sprintf("%.0f", r)
}

// ratio says how many times as fast as the .NET library the outcome is.
func ratio(o outcome, all []outcome) string {
	for _, other := range all {
		if other.system.net() && other.job == o.job && other.err == nil && other.Rate > 0 {
			return fmt.Sprintf("%.1f", o.Rate/other.Rate)
		}
	}
	return ""
}

// printOperations prints what the calls of each measurement were.
func printOperations(w io.Writer, outcomes []outcome) {
	for _, o := range outcomes {
		var parts []string
		for _, name := range sortedKeys(o.calls) {
			parts = append(parts, fmt.Sprintf("%s %.2f", name, float64(o.calls[name])/float64(o.job.n)))
		}
		fmt.Fprintf(w, "%s, %s: %s\n", o.job.title, o.system.name, strings.Join(parts, ", "))
	}
	fmt.Fprintln(w)
}

// printIdle prints what it costs to have nothing to do.
func printIdle(w io.Writer, outcomes []outcome, watched time.Duration) {
	const month = 30
	perDay := (24 * time.Hour).Seconds() / watched.Seconds()
	fmt.Fprintf(w, "| idle for %v | calls | calls a day | list price of 30 days, USD |\n|---|---|---|---|\n", watched)
	for _, o := range outcomes {
		if o.err != nil {
			fmt.Fprintf(w, "| %s | failed | | |\n", o.system.name)
			continue
		}
		fmt.Fprintf(w, "| %s | %d | %.0f | %.2f |\n", o.system.name, o.total(), float64(o.total())*perDay, usd(o.calls)*perDay*month)
	}
	fmt.Fprintln(w)
}
