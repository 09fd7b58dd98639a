package main

import (
	"encoding/json"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// recordedBlob is an entry of blobs.json. The length is in characters.
type recordedBlob struct {
	Text          string
	TextTruncated bool
	TextLength    int
	TextSHA256    string
}

func checkBlobs(r *Report, path string) error {
	var blobs map[string]recordedBlob
	if err := readJSON(path, &blobs); err != nil {
		return err
	}
	whole, err := newCompleter(filepath.Dir(path))
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(blobs)) {
		blob := blobs[name]
		place := filepath.Base(path) + ": " + name
		category := blobCategory(name)
		text, complete := blob.Text, true
		if blob.TextTruncated {
			text, complete = whole.complete(name, blob)
		}
		switch {
		case !complete:
			r.Count(category).Skipped++
			r.note(category+" begun", place, checkBeginning(category, blob.Text))
		case category == messageBlobs:
			r.note(category, place, checkMessage(text))
		default:
			r.note(category, place, checkReadable(text))
		}
	}
	return nil
}

const (
	messageBlobs = "message blobs"
	valueBlobs   = "blobs of long values"
	otherBlobs   = "other blobs"
)

func blobCategory(name string) string {
	base := name[strings.LastIndexByte(name, '/')+1:]
	switch {
	case !strings.HasSuffix(name, ".json.gz"):
		return otherBlobs
	case strings.HasPrefix(base, "message-"):
		return messageBlobs
	default:
		return valueBlobs
	}
}

// checkReadable checks what this module does not encode: values of the
// application and lease information, all of them JSON.
func checkReadable(text string) *difference {
	if !json.Valid([]byte(text)) {
		return failure("reading", errors.New("is not JSON"))
	}
	return nil
}

// checkBeginning checks what can be told of a text that the recording cut.
func checkBeginning(category, text string) *difference {
	if !utf8.ValidString(text) {
		return failure("reading", errors.New("is not UTF-8"))
	}
	if category == messageBlobs && !strings.HasPrefix(text, `{"$type":"DurableTask.AzureStorage.MessageData","ActivityId":"`) {
		return failure("reading", errors.New("does not begin like a message"))
	}
	return nil
}
