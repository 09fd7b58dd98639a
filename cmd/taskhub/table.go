package main

import (
	"io"
	"strings"
	"unicode/utf8"
)

// column is a column of a table.
type column struct {
	title string
	// wide columns are shown with -o wide only.
	wide bool
	// paint colours a cell; nil for none.
	paint func(text string) string
}

// table writes rows in aligned columns. The widths follow from the first rows; later ones may make columns wider, so that
// any number of rows needs little memory.
type table struct {
	to      io.Writer
	columns []column
	colours bool
	wide    bool

	widths  []int
	pending [][]string
	begun   bool
}

// newTable begins a table in one of the forms of addFormat.
func newTable(w world, format string, columns ...column) *table {
	return &table{to: w.out, columns: columns, colours: w.colours(w.out), wide: format == formatWide}
}

// tableBatch is how many rows are kept to find out how wide the columns are.
const tableBatch = 500

// add adds a row. It has a cell for each column, wide ones included; one without a text is shown as a dash, unless it is
// in the last column.
func (t *table) add(cells ...string) error {
	row := make([]string, 0, len(cells))
	for i, cell := range cells {
		if !t.columns[i].wide || t.wide {
			row = append(row, clean(cell))
		}
	}
	t.pending = append(t.pending, row)
	if len(t.pending) < tableBatch {
		return nil
	}
	return t.flush()
}

// flush writes what was added until now.
func (t *table) flush() error {
	if len(t.pending) == 0 {
		return nil
	}
	columns := make([]column, 0, len(t.columns))
	for _, c := range t.columns {
		if !c.wide || t.wide {
			columns = append(columns, c)
		}
	}
	rows := t.pending
	if !t.begun {
		titles := make([]string, len(columns))
		for i, c := range columns {
			titles[i] = c.title
		}
		rows, t.begun, t.widths = append([][]string{titles}, rows...), true, make([]int, len(columns))
	}
	for _, row := range rows {
		for i, cell := range row {
			t.widths[i] = max(t.widths[i], utf8.RuneCountInString(cell), 1)
		}
	}
	var text strings.Builder
	for n, row := range rows {
		t.line(&text, columns, row, n == 0 && len(rows) > len(t.pending))
	}
	t.pending = t.pending[:0]
	_, err := io.WriteString(t.to, text.String())
	return err
}

// line writes one row.
func (t *table) line(text *strings.Builder, columns []column, row []string, title bool) {
	const gap = 3
	var whole strings.Builder
	for i, cell := range row {
		last := i == len(row)-1
		if cell == "" && !last {
			cell = "-"
		}
		padding := t.widths[i] - utf8.RuneCountInString(cell) + gap
		if t.colours && !title && columns[i].paint != nil {
			cell = columns[i].paint(cell)
		}
		whole.WriteString(cell)
		if !last {
			whole.WriteString(strings.Repeat(" ", padding))
		}
	}
	text.WriteString(strings.TrimRight(whole.String(), " ") + "\n")
}

// end writes the rest, and the titles alone when there was no row.
func (t *table) end() error {
	if t.begun || len(t.pending) > 0 {
		return t.flush()
	}
	titles := make([]string, 0, len(t.columns))
	for _, c := range t.columns {
		if !c.wide || t.wide {
			titles = append(titles, c.title)
		}
	}
	_, err := io.WriteString(t.to, strings.Join(titles, "   ")+"\n")
	return err
}
