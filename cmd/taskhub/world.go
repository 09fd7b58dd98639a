package main

import (
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	"golang.org/x/term"
)

// world is what the commands use of the world around them. Tests bring their own.
type world struct {
	in       io.Reader
	out, err io.Writer
	// person says whether somebody at a terminal sees what is written to err and answers on in.
	person func() bool
	getenv func(string) string
	build  build
}

// system is the world of the process.
func system() world {
	info, _ := debug.ReadBuildInfo()
	return world{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		person: func() bool { return isTerminal(os.Stdin) && isTerminal(os.Stderr) },
		getenv: os.Getenv,
		build:  newBuild(info, version, revision),
	}
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// logger tells the user what libraries have to report: trouble only.
func (w world) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(w.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
