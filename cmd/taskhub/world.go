package main

import (
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"golang.org/x/term"
)

// world is what the commands use of the world around them. Tests bring their own.
type world struct {
	in       io.Reader
	out, err io.Writer
	// person says whether somebody at a terminal sees what is written to err and answers on in.
	person func() bool
	// terminal says whether a writer is a terminal.
	terminal func(io.Writer) bool
	getenv   func(string) string
	// dir is the working directory, where host.json and local.settings.json of Azure Functions may be.
	dir   string
	now   func() time.Time
	build build
}

// system is the world of the process.
func system() world {
	info, _ := debug.ReadBuildInfo()
	return world{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		person:   func() bool { return isTerminal(os.Stdin) && isTerminal(os.Stderr) },
		terminal: func(w io.Writer) bool { f, ok := w.(*os.File); return ok && isTerminal(f) && showsSequences(f) },
		getenv:   os.Getenv,
		dir:      ".",
		now:      time.Now,
		build:    newBuild(info, version, revision),
	}
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// logger tells the user what libraries have to report: trouble only.
func (w world) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(w.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// drawing says whether a writer is a terminal that understands more than lines of text.
func (w world) drawing(to io.Writer) bool { return w.terminal(to) && w.getenv("TERM") != "dumb" }
