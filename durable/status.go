package durable

import (
	"errors"
	"fmt"
	"unicode/utf16"
)

// MaxCustomStatus is how large a custom status may be, in UTF-16 code units as
// serialized. Durable Functions allows 16 KB of UTF-16.
const MaxCustomStatus = 8192

// ErrStatusTooLarge is what [SetCustomStatus] returns for a status beyond
// [MaxCustomStatus].
var ErrStatusTooLarge = errors.New("durable: the custom status is too large")

// SetCustomStatus sets the status that clients see while the orchestration runs, and
// after. It is written when the orchestrator waits or ends; nil clears it. A status
// that cannot be written or is too large leaves the previous one in place.
func SetCustomStatus[T any](ctx *Context, status T) error {
	if !ctx.s.Enter("SetCustomStatus") {
		return errUnloading
	}
	raw, err := marshal(ctx.env.converter, status)
	if err != nil {
		return &PayloadError{Subject: subject{"orchestrator", ctx.Name()}.String(), What: "the custom status", Err: err}
	}
	if n := utf16Length(text(raw)); n > MaxCustomStatus {
		return fmt.Errorf("%w: %d of at most %d characters; keep what is large in the output or elsewhere", ErrStatusTooLarge, n, MaxCustomStatus)
	}
	ctx.s.SetCustomStatus(raw)
	return nil
}

func utf16Length(s string) int {
	n := 0
	for _, r := range s {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}
