package main

import (
	"context"
	"slices"
	"strings"
	"unicode"

	"github.com/go-taskhub/taskhub/durable"
)

// The four functions of the chain. Each gets what the one before it made.
var (
	// F1 splits a text into words.
	F1 = durable.NewActivity("F1", func(_ context.Context, text string) ([]string, error) {
		return strings.Fields(text), nil
	})
	// F2 puts the last word first.
	F2 = durable.NewActivity("F2", func(_ context.Context, words []string) ([]string, error) {
		slices.Reverse(words)
		return words, nil
	})
	// F3 gives each word a capital letter.
	F3 = durable.NewActivity("F3", func(_ context.Context, words []string) ([]string, error) {
		for i, word := range words {
			letters := []rune(word)
			letters[0] = unicode.ToUpper(letters[0])
			words[i] = string(letters)
		}
		return words, nil
	})
	// F4 makes a text of them again.
	F4 = durable.NewActivity("F4", func(_ context.Context, words []string) (string, error) {
		return strings.Join(words, " "), nil
	})
)

// Chaining calls the four functions one after another. The first that fails ends the chain.
var Chaining = durable.NewOrchestrator("Chaining", func(ctx *durable.Context, text string) (string, error) {
	words, err := F1.Call(ctx, text).Await()
	if err != nil {
		return "", err
	}
	turned, err := F2.Call(ctx, words).Await()
	if err != nil {
		return "", err
	}
	capitals, err := F3.Call(ctx, turned).Await()
	if err != nil {
		return "", err
	}
	return F4.Call(ctx, capitals).Await()
})
