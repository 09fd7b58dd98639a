package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
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
