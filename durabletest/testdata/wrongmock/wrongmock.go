// Package wrongmock must not compile: its mocks do not fit what they mock.
package wrongmock

import (
	"context"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/durabletest"
)

func wrong(env *durabletest.Env) {
	charge := durable.DeclareActivity[int, string]("Charge")
	durabletest.Mock(env, charge, func(context.Context, int) (string, error) { return "", nil }) // fits
	durabletest.Mock(env, charge, func(context.Context, string) (string, error) { return "", nil })
	durabletest.Mock(env, charge, func(context.Context, int) (int, error) { return 0, nil })
}
