package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// event is one line of `go test -json` (see `go doc test2json`); of its fields only those that are read here.
type event struct {
	Action      string  `json:"Action"`
	Package     string  `json:"Package"`
	ImportPath  string  `json:"ImportPath"` // of build-output and build-fail
	Test        string  `json:"Test"`
	Elapsed     float64 `json:"Elapsed"` // seconds
	Output      string  `json:"Output"`
	FailedBuild string  `json:"FailedBuild"` // of a package's fail: the ImportPath whose build output explains it
}

// readEvents calls handle for every event of a `go test -json` stream and other for every line that is none, such as what the go command itself
// complains about.
func readEvents(r io.Reader, handle func(event), other func(string)) error {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		if text := strings.TrimSpace(line); text != "" {
			var e event
			if text[0] == '{' && json.Unmarshal([]byte(text), &e) == nil && e.Action != "" {
				handle(e)
			} else {
				other(strings.TrimRight(line, "\r\n"))
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading the test events: %w", err)
		}
	}
}
