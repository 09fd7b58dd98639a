package main

import (
	"io"

	"github.com/go-taskhub/taskhub/history"
)

// colours says whether a writer is shown colours: a terminal, unless NO_COLOR is set to something.
func (w world) colours(to io.Writer) bool { return w.getenv("NO_COLOR") == "" && w.drawing(to) }

// Escape sequences of terminals.
const (
	colourOff    = "\x1b[0m"
	colourRed    = "\x1b[31m"
	colourGreen  = "\x1b[32m"
	colourYellow = "\x1b[33m"
	colourBlue   = "\x1b[34m"
	colourGrey   = "\x1b[90m"
)

// paintStatus colours the name of an instance's status.
func paintStatus(text string) string {
	status, known := history.ParseStatus(text)
	if !known {
		return text
	}
	colour := colourGrey
	switch status {
	case history.Completed:
		colour = colourGreen
	case history.Failed:
		colour = colourRed
	case history.Running, history.ContinuedAsNew:
		colour = colourBlue
	case history.Suspended:
		colour = colourYellow
	}
	return colour + text + colourOff
}

// paintHealth colours "ok", and in red everything else.
func paintHealth(text string) string {
	if text == "ok" {
		return colourGreen + text + colourOff
	}
	return colourRed + text + colourOff
}
