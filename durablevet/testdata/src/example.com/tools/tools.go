// Package tools is a package of helpers, some with durable calls.
package tools

import (
	"github.com/go-taskhub/taskhub/durable"
)

var Debug bool

var price = durable.DeclareActivity[string, int]("Price")

func Ask(ctx *durable.Context, name string) { // want Ask:"durable"
	ask(ctx, name)
}

func ask(ctx *durable.Context, name string) { price.Call(ctx, name) } // want ask:"durable"

func Say(ctx *durable.Context, name string) { ctx.Logger().Info(name) }
