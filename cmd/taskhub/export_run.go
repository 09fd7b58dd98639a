package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/go-taskhub/taskhub/taskhub"
)

const (
	// exportPage is how many instances are exported between two marks of how far it has come.
	exportPage = 100
	// exportReaders is how many histories are read at a time.
	exportReaders = 8
	exportBuffer  = 1 << 16
)

// exportState is how far an export into a file has come: the content of FILE.resume.
type exportState struct {
	Account string `json:"account"`
	Hub     string `json:"hub"`
	Filter  string `json:"filter"` // what was asked for, to tell another export
	// From and To are the limits in time as they were when it began: ages mean other times later.
	From      time.Time `json:"from,omitzero"`
	To        time.Time `json:"to,omitzero"`
	Token     string    `json:"token"`  // where the instances go on
	Offset    int64     `json:"offset"` // how much of the file is good
	Instances int       `json:"instances"`
	Problems  int       `json:"problems"`
}

// exporter writes instances as lines.
type exporter struct {
	o     *exportOptions
	hub   *taskhub.Hub
	query taskhub.Query
	out   *bufio.Writer
	file  *os.File // nil for stdout
	state exportState
	note  func()
}

// resumeFile is where an export says how far it has come.
func (x *exporter) resumeFile() string { return x.o.file + ".resume" }

// description tells what is exported.
func (x *exporter) description() string {
	f := x.o.filter
	return fmt.Sprintf("prefix=%q status=%q name=%q tags=%q created-after=%q created-before=%q entities=%t history=%t",
		f.prefix, f.statuses.String(), f.name, f.tags.String(), f.from.text, f.to.text, x.o.entities, !x.o.noHistory)
}

// open opens the file, new or to go on with.
func (x *exporter) open() (err error) {
	x.state = exportState{
		Account: x.hub.TrackingAccount().Name(), Hub: x.hub.Name(), Filter: x.description(), From: x.query.CreatedFrom, To: x.query.CreatedTo,
	}
	flags := os.O_CREATE | os.O_EXCL | os.O_WRONLY
	switch {
	case x.o.resume:
		if err := x.loadState(); err != nil {
			return err
		}
		flags = os.O_WRONLY
	case x.o.overwrite:
		flags = os.O_CREATE | os.O_TRUNC | os.O_WRONLY
	}
	x.file, err = os.OpenFile(x.o.file, flags, 0o600)
	switch {
	case errors.Is(err, os.ErrExist) && exists(x.resumeFile()):
		return usage(fmt.Errorf("--file: %q is there, from an export that did not end: add --resume to go on with it, or --overwrite to begin anew", x.o.file))
	case errors.Is(err, os.ErrExist):
		return usage(fmt.Errorf("--file: %q is there already: choose another, or add --overwrite", x.o.file))
	case err != nil:
		return usage(fileError(x.o.file, err))
	}
	err = x.file.Truncate(x.state.Offset) // a line may have been cut short behind the last mark
	if err == nil {
		_, err = x.file.Seek(x.state.Offset, io.SeekStart)
	}
	if err == nil {
		err = x.saveState()
	}
	if err != nil {
		return errors.Join(fileError(x.o.file, err), x.file.Close())
	}
	x.out = bufio.NewWriterSize(x.file, exportBuffer)
	return nil
}

// loadState reads how far an earlier export has come, which must have been one of the same.
func (x *exporter) loadState() error {
	text, err := os.ReadFile(x.resumeFile())
	if errors.Is(err, os.ErrNotExist) {
		return usage(fmt.Errorf("--resume: there is no %s, so no export into %s has to be gone on with: leave --resume out", x.resumeFile(), x.o.file))
	}
	if err != nil {
		return usage(fmt.Errorf("--resume: %s cannot be read: %w", x.resumeFile(), innermost(err)))
	}
	var state exportState
	if err := json.Unmarshal(text, &state); err != nil {
		return usage(fmt.Errorf("--resume: %s cannot be understood (%w): begin anew with --overwrite", x.resumeFile(), err))
	}
	if state.Account != x.state.Account || state.Hub != x.state.Hub || state.Filter != x.state.Filter {
		return usage(fmt.Errorf("--resume: %s is of another export: of hub %q in account %s with %s; give the same flags, or begin anew with --overwrite",
			x.o.file, state.Hub, state.Account, state.Filter))
	}
	info, err := os.Stat(x.o.file)
	if err != nil || info.Size() < state.Offset {
		return usage(fmt.Errorf("--resume: %s is not there or shorter than it was: begin anew with --overwrite", x.o.file))
	}
	x.state = state
	x.query.CreatedFrom, x.query.CreatedTo = state.From, state.To
	return nil
}

// saveState marks how far the export has come. What it says is on disk first.
func (x *exporter) saveState() error {
	if err := x.file.Sync(); err != nil {
		return err
	}
	text, err := json.Marshal(x.state)
	if err != nil {
		return err
	}
	temporary := x.resumeFile() + ".new"
	if err := os.WriteFile(temporary, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, x.resumeFile())
}

// close ends the file. err is what the export ended with.
func (x *exporter) close(err error) error {
	if x.out != nil { // after an error, too: what is in there are whole lines
		if flushErr := x.out.Flush(); err == nil {
			err = flushErr
		}
	}
	if x.file == nil {
		return err
	}
	if closeErr := x.file.Close(); err == nil && closeErr != nil {
		err = fileError(x.o.file, closeErr)
	}
	if err == nil {
		if removeErr := os.Remove(x.resumeFile()); removeErr != nil {
			err = fileError(x.resumeFile(), removeErr)
		}
	}
	return err
}

// all exports page by page.
func (x *exporter) all(ctx context.Context) error {
	for first := x.state.Token == ""; first || x.state.Token != ""; first = false {
		page, err := x.hub.Client().QueryPage(ctx, x.query, x.state.Token)
		if err != nil {
			return err
		}
		if err := x.page(ctx, page.Instances); err != nil {
			return err
		}
		x.state.Token = page.Next
		if err := x.mark(); err != nil {
			return err
		}
	}
	return nil
}

// mark notes that a page is complete.
func (x *exporter) mark() error {
	err := x.out.Flush()
	if err == nil && x.file != nil {
		err = x.saveState()
	}
	if err != nil && x.file != nil {
		return fileError(x.o.file, err)
	}
	return err
}

// page reads the histories of some instances side by side, and writes their lines in order.
func (x *exporter) page(ctx context.Context, instances []*taskhub.Instance) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	lines := make([]chan *exportLine, len(instances))
	slots := make(chan struct{}, exportReaders) // of lines that are read and not written yet
	for i := range lines {
		lines[i] = make(chan *exportLine, 1)
	}
	go func() {
		for i, in := range instances {
			select {
			case slots <- struct{}{}:
				go func() { lines[i] <- x.line(ctx, in.InstanceID) }()
			case <-ctx.Done():
				lines[i] <- &exportLine{err: ctx.Err()}
			}
		}
	}()
	for i := range instances {
		line := <-lines[i]
		if err == nil {
			if err = x.write(line); err != nil {
				cancel() // the rest is fetched from the channels all the same, so that nothing is left behind
			}
		}
		line.drop()
		if line.read {
			<-slots
		}
	}
	cancel()
	return err
}

func (x *exporter) write(line *exportLine) error {
	switch {
	case errors.Is(line.err, taskhub.ErrInstanceNotFound): // purged meanwhile
		return nil
	case line.err != nil:
		return line.err
	}
	n, err := line.writeTo(x.out)
	x.state.Offset += n
	if err != nil {
		if x.file != nil {
			return fileError(x.o.file, err)
		}
		return err
	}
	x.state.Instances++
	if line.problem {
		x.state.Problems++
	}
	x.note()
	return nil
}
