package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/go-taskhub/taskhub/history"
)

func checkMessages(r *Report, path string) error {
	type message struct{ Queue, Text string }
	return eachLine(path, func(place string, m *message) {
		category := "messages"
		if strings.Contains(m.Text, `"TaskMessage":null`) {
			category = "messages kept in a blob"
		}
		r.note(category, place, checkMessage(m.Text))
	})
}

// checkMessage decodes a message and encodes it again.
func checkMessage(text string) *difference {
	e, err := history.UnmarshalEnvelope([]byte(text))
	if err != nil {
		return failure("decoding", err)
	}
	again, err := history.MarshalEnvelope(e)
	if err != nil {
		return failure("encoding", err)
	}
	return compareText(text, string(again))
}

// compareText finds the first byte that differs, and the member it is in.
func compareText(want, got string) *difference {
	if want == got {
		return nil
	}
	at := 0
	for at < len(want) && at < len(got) && want[at] == got[at] {
		at++
	}
	return &difference{
		field: pathAt(want, at),
		text:  fmt.Sprintf("byte %d: recorded …%s, encoded …%s", at, excerpt(want, at), excerpt(got, at)),
	}
}

// excerpt is the text around an offset.
func excerpt(s string, at int) string {
	return strings.ToValidUTF8(short(s[max(0, at-20):min(len(s), at+40)]), "?")
}

// pathAt names the member of a JSON text that an offset is in.
func pathAt(text string, offset int) string {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	type level struct {
		object bool
		key    string
		index  int
		isKey  bool
	}
	var levels []level
	for {
		token, err := d.Token()
		if err != nil && err != io.EOF {
			return ""
		}
		var top *level
		if len(levels) > 0 {
			top = &levels[len(levels)-1]
		}
		if top != nil && top.object && top.isKey {
			if key, ok := token.(string); ok {
				top.key, top.isKey = key, false
				if d.InputOffset() <= int64(offset) {
					continue
				}
			}
		}
		if err == io.EOF || d.InputOffset() > int64(offset) {
			break
		}
		switch token {
		case json.Delim('{'):
			levels = append(levels, level{object: true, isKey: true})
		case json.Delim('['):
			levels = append(levels, level{})
		case json.Delim('}'), json.Delim(']'):
			levels = levels[:len(levels)-1]
			if len(levels) > 0 {
				levels[len(levels)-1].isKey = true
				levels[len(levels)-1].index++
			}
		default:
			if top != nil {
				top.isKey = true
				top.index++
			}
		}
	}
	var path []string
	for _, l := range levels {
		if l.object {
			path = append(path, l.key)
		} else {
			path = append(path, fmt.Sprint(l.index))
		}
	}
	return strings.Join(path, ".")
}
