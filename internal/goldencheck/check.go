package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Check checks one recording. The error says that it cannot be read at all.
func Check(dir string) (*Report, error) {
	r := &Report{Dir: dir}
	found := 0
	for _, file := range []struct {
		name  string
		check func(*Report, string) error
	}{
		{"messages.jsonl", checkMessages},
		{"writes.jsonl", checkWrites},
		{"final.json", checkFinal},
		{"blobs.json", checkBlobs},
	} {
		err := file.check(r, filepath.Join(dir, file.name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file.name, err)
		}
		found++
	}
	if found == 0 {
		return nil, errors.New("holds no recording: none of messages.jsonl, writes.jsonl, final.json and blobs.json")
	}
	return r, nil
}

// maxLine bounds a line of a recording.
const maxLine = 64 << 20

// eachLine decodes the lines of a file one by one.
func eachLine[T any](path string, line func(place string, record *T)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, maxLine)
	for n := 1; scanner.Scan(); n++ {
		if len(scanner.Bytes()) == 0 {
			continue
		}
		var record T
		if err := json.Unmarshal(scanner.Bytes(), &record); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		line(fmt.Sprintf("%s:%d", filepath.Base(path), n), &record)
	}
	return scanner.Err()
}

// readJSON decodes a whole file.
func readJSON(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}
