package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// payload is a flag that takes JSON: as it is, from a file with @ before its name, or from stdin with -.
type payload struct {
	world world
	name  string
	text  string
}

// addPayload adds such a flag.
func addPayload(cmd *cobra.Command, w world, name, what string) *payload {
	p := &payload{world: w, name: name}
	cmd.Flags().StringVar(&p.text, name, "", what+" as `JSON`; @FILE reads a file, and - stdin")
	return p
}

// read returns the JSON, nil when the flag was not given.
func (p *payload) read(cmd *cobra.Command) (*string, error) {
	if !cmd.Flags().Changed(p.name) {
		return nil, nil
	}
	text, err := p.load()
	if err != nil {
		return nil, usage(fmt.Errorf("--%s: %w", p.name, err))
	}
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))
	switch {
	case len(text) == 0:
		return nil, usage(fmt.Errorf("--%s is empty: give JSON, or leave it out", p.name))
	case !utf8.Valid(text):
		return nil, usage(fmt.Errorf("--%s is not UTF-8: JSON has to be", p.name))
	case !json.Valid(text):
		return nil, usage(fmt.Errorf("--%s is not JSON (%w): a text needs double quotes, such as '\"Tokyo\"'", p.name, jsonFault(text)))
	}
	whole := string(text)
	return &whole, nil
}

func (p *payload) load() ([]byte, error) {
	if p.text == "-" {
		text, err := io.ReadAll(p.world.in)
		if err != nil {
			return nil, fmt.Errorf("stdin cannot be read: %w", err)
		}
		return text, nil
	}
	if file, ok := strings.CutPrefix(p.text, "@"); ok {
		if file == "" {
			return nil, errors.New("the name of a file is missing behind @")
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("file %q cannot be read: %w", file, innermost(err))
		}
		return text, nil
	}
	return []byte(p.text), nil
}

// jsonFault says what is wrong with a text that is not JSON.
func jsonFault(text []byte) error {
	var value json.RawMessage
	err := json.Unmarshal(text, &value)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("%w, at byte %d", err, syntax.Offset)
	}
	return err
}
