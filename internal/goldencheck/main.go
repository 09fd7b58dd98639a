// Command goldencheck reads recordings of what the .NET implementation wrote to
// Azure Storage and checks that this module's codecs write the same.
//
//	go run ./internal/goldencheck DIR…
//
// A recording is a folder with these files:
//
//	messages.jsonl  queue messages as they were sent: each must be decoded and
//	                encoded again byte for byte
//	writes.jsonl    table writes as they were sent: each row must be decoded and
//	                encoded again with the same columns, types and values; rows
//	                of the history go through events
//	final.json      the rows and messages that were left, with the same checks
//	blobs.json      the blobs that were left: large messages must be decoded and
//	                encoded again byte for byte. What the recording cut is put
//	                together again where the rest of it tells how, which the
//	                recorded hash confirms; else its beginning is checked
//
// It prints how much of each kind was checked and the first differences, each
// with its file, line and field, and exits with 1 if there are any.
package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run checks the folders and returns the exit code.
func run(dirs []string, stdout, stderr io.Writer) int {
	if len(dirs) == 0 {
		fmt.Fprintln(stderr, "usage: go run ./internal/goldencheck DIR…")
		return 2
	}
	failed := false
	for _, dir := range dirs {
		r, err := Check(dir)
		if err != nil {
			fmt.Fprintf(stderr, "%s: %v\n", dir, err)
			failed = true
			continue
		}
		r.Print(stdout)
		failed = failed || r.Differences() > 0
	}
	if failed {
		return 1
	}
	return 0
}
