package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/edm"
)

// sentinelRowKey is the key of the row that guards an instance's history.
const sentinelRowKey = "sentinel"

func checkWrites(r *Report, path string) error {
	type write struct {
		Table, Op, PK, RK, Body string
	}
	type record struct {
		write
		Items []write
	}
	return eachLine(path, func(place string, rec *record) {
		items := rec.Items
		if rec.Op != "batch" {
			items = []write{rec.write}
		}
		for _, item := range items {
			if item.Op == "delete" {
				continue
			}
			at := fmt.Sprintf("%s (%s %s)", place, item.PK, item.RK)
			r.note(rowCategory(item.Table, item.RK)+" written", at, checkRow(item.Table, []byte(item.Body)))
		}
	})
}

func rowCategory(table, rowKey string) string {
	switch {
	case isHistory(table) && rowKey == sentinelRowKey:
		return "sentinel rows"
	case isHistory(table):
		return "history rows"
	case strings.HasSuffix(table, "Instances"):
		return "instances rows"
	case strings.HasSuffix(table, "Partitions"):
		return "partitions rows"
	default:
		return "other rows"
	}
}

func isHistory(table string) bool { return strings.HasSuffix(table, "History") }

// checkRow decodes a row and encodes it again, events of the history as events.
func checkRow(table string, body []byte) *difference {
	want, err := parseRow(body)
	if err != nil {
		return failure("reading the recording", err)
	}
	entity, err := edm.Unmarshal(body)
	if err != nil {
		return failure("decoding", err)
	}
	if isHistory(table) && entity["RowKey"] != sentinelRowKey {
		if entity, err = throughEvent(entity); err != nil {
			return failure("history", err)
		}
	}
	text, err := edm.Marshal(entity)
	if err != nil {
		return failure("encoding", err)
	}
	got, err := parseRow(text)
	if err != nil {
		return failure("reading what was encoded", err)
	}
	return compareRows(want, got)
}

// throughEvent decodes an event from a row and encodes it to a row again. What
// belongs to the table and not to the event is carried over: keys, execution
// id, and the names of blobs, whose columns are empty.
func throughEvent(row edm.Entity) (edm.Entity, error) {
	event, err := history.DecodeRow(row)
	if err != nil {
		return nil, err
	}
	again, err := history.EncodeRow(event)
	if err != nil {
		return nil, err
	}
	for name, value := range row {
		switch base, isBlob := strings.CutSuffix(name, "BlobName"); {
		case isBlob:
			again[name], again[base] = value, ""
		case name == "PartitionKey", name == "RowKey", name == "Timestamp", name == "ExecutionId":
			again[name] = value
		}
	}
	return again, nil
}

// cell is a value and its type, both as text.
type cell struct{ edmType, value string }

// parseRow reads the JSON of an entity with the standard library, so that the
// check does not rest on the codec it checks.
func parseRow(body []byte) (map[string]cell, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var members map[string]any
	if err := d.Decode(&members); err != nil {
		return nil, err
	}
	row := map[string]cell{}
	for name, value := range members {
		if strings.Contains(name, "@") || strings.HasPrefix(name, "odata.") || value == nil {
			continue
		}
		annotation, _ := members[name+"@odata.type"].(string)
		c, err := parseCell(value, annotation)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		row[name] = c
	}
	return row, nil
}

func parseCell(value any, annotation string) (cell, error) {
	c := cell{annotation, fmt.Sprint(value)}
	if c.edmType == "" {
		switch value.(type) {
		case string:
			c.edmType = "Edm.String"
		case bool:
			c.edmType = "Edm.Boolean"
		case json.Number:
			c.edmType = "Edm.Int32"
		default:
			return cell{}, fmt.Errorf("is a %T", value)
		}
	}
	if c.edmType == "Edm.DateTime" {
		t, err := time.Parse(time.RFC3339Nano, c.value)
		if err != nil {
			return cell{}, err
		}
		c.value = t.UTC().Format(time.RFC3339Nano)
	}
	return c, nil
}

// compareRows finds the first column, by name, that differs.
func compareRows(want, got map[string]cell) *difference {
	names := maps.Clone(want)
	maps.Copy(names, got)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		w, inWant := want[name]
		g, inGot := got[name]
		switch {
		case !inWant:
			return &difference{name, fmt.Sprintf("encoded as %s %s, not in the recording", g.edmType, short(g.value))}
		case !inGot:
			return &difference{name, fmt.Sprintf("recorded as %s %s, not encoded", w.edmType, short(w.value))}
		case w != g:
			return &difference{name, fmt.Sprintf("recorded as %s %s, encoded as %s %s", w.edmType, short(w.value), g.edmType, short(g.value))}
		}
	}
	return nil
}
