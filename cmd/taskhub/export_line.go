package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/tables"
	"github.com/go-taskhub/taskhub/taskhub"
)

// exportLine is the line of one instance. A long one is kept in a temporary file until it is its turn.
type exportLine struct {
	text    spool
	problem bool
	read    bool // it took part in the reading
	err     error
}

// exportAttempts is how often the history of an instance is read that is started anew meanwhile.
const exportAttempts = 5

// line makes the line of an instance.
func (x *exporter) line(ctx context.Context, id string) *exportLine {
	l := &exportLine{read: true}
	for range exportAttempts {
		if l.err = l.fill(ctx, x, id); !errors.Is(l.err, taskhub.ErrHistoryReplaced) {
			return l
		}
		l.drop()
	}
	return l
}

// fill writes the line: the object of -o json, with the history behind it. What cannot be read of an instance is no reason
// to stop: the line says so.
func (l *exportLine) fill(ctx context.Context, x *exporter, id string) error {
	in, problem := x.hub.Client().Get(ctx, id)
	if in == nil {
		return problem
	}
	if err := l.head(in, problem, !x.o.noHistory); err != nil || x.o.noHistory {
		return err
	}
	err := x.hub.Client().WriteHistory(ctx, id, &l.text)
	if err != nil && isDamage(ctx, err) {
		l.drop()
		if err := l.head(in, errors.Join(problem, err), true); err != nil {
			return err
		}
		_, err = io.WriteString(&l.text, "null")
	}
	if err == nil {
		_, err = io.WriteString(&l.text, "}\n")
	}
	return err
}

// head writes the line up to the history, or a whole one without.
func (l *exportLine) head(in *durable.Instance, problem error, history bool) error {
	l.problem = problem != nil
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(newInstanceJSON(in, problem, shown{input: true, output: true})); err != nil {
		return fmt.Errorf("instance %q: %w", in.InstanceID, err)
	}
	line := text.Bytes()
	if history {
		line = append(bytes.TrimSuffix(line, []byte("}\n")), `,"history":`...)
	}
	_, err := l.text.Write(line)
	return err
}

// isDamage tells a history that cannot be read, now or later, from trouble with the account, the disk or the network.
func isDamage(ctx context.Context, err error) bool {
	return ctx.Err() == nil && errors.As(err, new(*tables.CorruptHistoryError)) && !storage.IsUnreachable(err)
}

func (l *exportLine) writeTo(w io.Writer) (int64, error) { return l.text.writeTo(w) }

func (l *exportLine) drop() { l.text.drop() }

// spoolMemory is how much of a line is kept in memory.
const spoolMemory = 1 << 20

// spool keeps a text in memory, or in a temporary file when it grows.
type spool struct {
	memory bytes.Buffer
	file   *os.File
}

// Write implements io.Writer.
func (s *spool) Write(p []byte) (int, error) {
	if s.file == nil && s.memory.Len()+len(p) <= spoolMemory {
		return s.memory.Write(p)
	}
	if s.file == nil {
		file, err := os.CreateTemp("", "taskhub-export-*")
		if err != nil {
			return 0, fmt.Errorf("a temporary file for a long history cannot be made: %w", err)
		}
		s.file = file
		if _, err := s.memory.WriteTo(file); err != nil {
			return 0, err
		}
		s.memory = bytes.Buffer{}
	}
	return s.file.Write(p)
}

func (s *spool) writeTo(w io.Writer) (int64, error) {
	if s.file == nil {
		return s.memory.WriteTo(w)
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	return io.Copy(w, s.file)
}

// drop forgets the text.
func (s *spool) drop() {
	s.memory = bytes.Buffer{}
	if s.file != nil {
		_ = s.file.Close() // it was only read from, if at all
		_ = os.Remove(s.file.Name())
		s.file = nil
	}
}
