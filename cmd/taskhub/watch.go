package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"
)

// watching are the flags of commands that can repeat themselves.
type watching struct {
	on    bool
	every duration
}

const (
	watchPause    = 2 * time.Second
	minWatchPause = 100 * time.Millisecond
)

// addWatch adds the flags; the text says how long it goes on.
func addWatch(cmd *cobra.Command, until string) *watching {
	o := &watching{every: duration{watchPause}}
	cmd.Flags().BoolVar(&o.on, "watch", false, "look again and again, and show what has changed, until "+until)
	cmd.Flags().Var(&o.every, "interval", "time between two looks of --watch")
	return o
}

// check refuses pauses that would be an attack on the account.
func (o *watching) check(cmd *cobra.Command) error {
	switch {
	case o.every.value < minWatchPause:
		return errors.New("--interval is too short: give at least 100ms")
	case cmd.Flags().Changed("interval") && !o.on:
		return errors.New("--interval belongs to --watch, which is missing")
	}
	return nil
}

// clearScreen empties what is seen of a terminal and goes to its top.
const clearScreen = "\x1b[H\x1b[2J"

// repeat shows something once, or with --watch until it says that it is done. On a terminal each look takes the place of
// the last one; elsewhere it is written behind it, if it is another. What is done only when somebody presses Ctrl-C ends
// well then; forever says so.
func (o *watching) repeat(ctx context.Context, w world, forever bool, show func(w world) (done bool, err error)) error {
	if !o.on {
		_, err := show(w)
		return err
	}
	var last []byte
	for {
		text, done, err := o.look(w, show)
		if !bytes.Equal(text, last) {
			last = text
			if _, err := w.out.Write(o.framed(w, text)); err != nil {
				return err
			}
		}
		if err == nil && !done {
			err = pause(ctx, o.every.value)
		}
		switch {
		case err != nil && forever && ctx.Err() != nil:
			return nil
		case err != nil || done:
			return err
		}
	}
}

// look is one look, as text.
func (o *watching) look(w world, show func(w world) (done bool, err error)) (text []byte, done bool, err error) {
	var page bytes.Buffer
	onScreen := w.drawing(w.out)
	w.out = &page
	w.terminal = func(to io.Writer) bool { // colours for what is written to memory first, and no lines of progress between the looks
		return to == io.Writer(&page) && onScreen
	}
	done, err = show(w)
	return page.Bytes(), done, err
}

// framed is what is written for a look.
func (o *watching) framed(w world, text []byte) []byte {
	if !w.drawing(w.out) {
		return text
	}
	return append([]byte(clearScreen), text...)
}

// pause waits, unless ctx ends before.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
