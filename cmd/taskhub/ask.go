package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// ask writes a question to the person at the terminal and reads a line. The end of input is an empty answer.
func ask(ctx context.Context, w world, question string) (string, error) {
	const longest = 1 << 10
	if _, err := io.WriteString(w.err, question); err != nil {
		return "", err
	}
	type reply struct {
		line string
		err  error
	}
	replies := make(chan reply, 1) // a read cannot be interrupted: after a signal it is left alone
	go func() {
		line, err := bufio.NewReader(io.LimitReader(w.in, longest)).ReadString('\n')
		replies <- reply{line, err}
	}()
	select {
	case r := <-replies:
		if r.err != nil && !errors.Is(r.err, io.EOF) {
			return "", fmt.Errorf("read the answer: %w", r.err)
		}
		return strings.TrimSpace(r.line), nil
	case <-ctx.Done():
		fmt.Fprintln(w.err)
		return "", ctx.Err()
	}
}

// addYes adds the flag that answers the question of confirm.
func addYes(cmd *cobra.Command) *bool {
	return cmd.Flags().BoolP("yes", "y", false, "do not ask")
}

// errNotConfirmed is the error of confirm when the answer is not yes.
var errNotConfirmed = errors.New("not confirmed; nothing was changed")

// confirm asks the person at the terminal whether to go on; the question says what is going to happen, without the
// question mark. With yes, and where nobody is at a terminal, it does not ask: whoever wrote a script has decided.
func confirm(ctx context.Context, w world, yes bool, question string) error {
	if yes || !w.person() {
		return nil
	}
	answer, err := ask(ctx, w, clean(question)+"? [y/N] ")
	switch {
	case ctx.Err() != nil:
		return withStatus(exitInterrupted, errors.New("interrupted; nothing was changed"))
	case err != nil:
		return err
	case !strings.EqualFold(answer, "y") && !strings.EqualFold(answer, "yes"):
		return errNotConfirmed
	}
	return nil
}
