package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
)

func checkFinal(r *Report, path string) error {
	var final struct {
		Tables map[string][]map[string][2]any
		Queues map[string][]struct{ MessageText string }
	}
	if err := readJSON(path, &final); err != nil {
		return err
	}
	file := filepath.Base(path)
	for _, table := range slices.Sorted(maps.Keys(final.Tables)) {
		for i, row := range final.Tables[table] {
			place := fmt.Sprintf("%s: %s row %d (%v %v)", file, table, i, row["PartitionKey"][1], row["RowKey"][1])
			rowKey, _ := row["RowKey"][1].(string)
			r.note(rowCategory(table, rowKey)+" left", place, checkFinalRow(table, row))
		}
	}
	for _, queue := range slices.Sorted(maps.Keys(final.Queues)) {
		for i, m := range final.Queues[queue] {
			r.note("messages left", fmt.Sprintf("%s: %s message %d", file, queue, i), checkMessage(m.MessageText))
		}
	}
	return nil
}

// checkFinalRow checks a row that is given as types and values, in the form in
// which the service answers a query.
func checkFinalRow(table string, row map[string][2]any) *difference {
	entity := map[string]any{"odata.etag": `W/"datetime'2026-01-01T00%3A00%3A00Z'"`}
	for name, cell := range row {
		entity[name] = cell[1]
		switch edmType := fmt.Sprint(cell[0]); edmType {
		case "Edm.String", "Edm.Int32", "Edm.Boolean":
		default:
			entity[name+"@odata.type"] = edmType
		}
	}
	body, err := json.Marshal(entity)
	if err != nil {
		return failure("reading the recording", err)
	}
	return checkRow(table, body)
}
