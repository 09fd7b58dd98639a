package main

import (
	"fmt"
	"io"
)

// shown is how many differences a report keeps the text of.
const shown = 20

// Report is the result of checking one recording.
type Report struct {
	// Dir is the folder of the recording.
	Dir string
	// Counts are in the order in which the categories first appeared.
	Counts []*Count
	// First holds the first differences, each with its place.
	First []string
}

// Count is how much of one category was checked.
type Count struct {
	Category    string
	Checked     int
	Differences int
	// Skipped counts what the recording does not hold completely.
	Skipped int
}

// Differences is the number of differences in all categories.
func (r *Report) Differences() int {
	n := 0
	for _, c := range r.Counts {
		n += c.Differences
	}
	return n
}

// Count returns the count of a category, and begins it at zero.
func (r *Report) Count(category string) *Count {
	for _, c := range r.Counts {
		if c.Category == category {
			return c
		}
	}
	c := &Count{Category: category}
	r.Counts = append(r.Counts, c)
	return c
}

// ok notes something that was checked and is right.
func (r *Report) ok(category string) { r.Count(category).Checked++ }

// differ notes something that was checked and is wrong. The place is a file
// and a line or key.
func (r *Report) differ(category, place string, d *difference) {
	c := r.Count(category)
	c.Checked++
	c.Differences++
	if len(r.First) < shown {
		r.First = append(r.First, fmt.Sprintf("%s: %s", place, d))
	}
}

// note notes the outcome of a check, d being nil when it went well.
func (r *Report) note(category, place string, d *difference) {
	if d == nil {
		r.ok(category)
		return
	}
	r.differ(category, place, d)
}

// Print writes the counts and the first differences.
func (r *Report) Print(w io.Writer) {
	fmt.Fprintf(w, "%s\n", r.Dir)
	for _, c := range r.Counts {
		fmt.Fprintf(w, "  %-28s %6d checked %6d different", c.Category, c.Checked, c.Differences)
		if c.Skipped > 0 {
			fmt.Fprintf(w, " %6d not complete in the recording", c.Skipped)
		}
		fmt.Fprintln(w)
	}
	for _, d := range r.First {
		fmt.Fprintf(w, "  %s\n", d)
	}
	if n := r.Differences(); n > len(r.First) {
		fmt.Fprintf(w, "  … and %d more\n", n-len(r.First))
	}
}

// difference says which field differs, and how.
type difference struct {
	field string
	text  string
}

func (d *difference) String() string {
	if d.field == "" {
		return d.text
	}
	return d.field + ": " + d.text
}

// failure makes a difference of an error.
func failure(action string, err error) *difference {
	return &difference{text: action + ": " + err.Error()}
}

// short cuts a text for display.
func short(s string) string {
	const most = 120
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
