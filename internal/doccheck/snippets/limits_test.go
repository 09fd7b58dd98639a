package snippets

import (
	"context"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
)

// Mail is the input of an activity with a limit for each customer.
type Mail struct{ Customer string }

func getCommit(_ context.Context, repository string) (string, error) {
	return "commit of " + repository, nil
}
func query(_ context.Context, sql string) (string, error) { return sql, nil }
func notify(_ context.Context, m Mail) (string, error)    { return m.Customer, nil }

func TestLimits(t *testing.T) {
	t.Parallel()
	var GetCommit = durable.NewActivity("GetCommit", getCommit,
		durable.WithLimit(durable.RateLimit{Name: "github", Count: 5000, Per: time.Hour}))

	var Query = durable.NewActivity("Query", query,
		durable.WithLimit(durable.ConcurrencyLimit{Name: "database", Max: 10}))

	var Notify = durable.NewActivity("Notify", notify, // for each customer on its own
		durable.WithLimitPer(durable.RateLimit{Name: "mails", Count: 10, Per: time.Minute}, func(m Mail) string { return m.Customer }))

	main := durable.NewOrchestrator("Main", func(ctx *durable.Context, _ durable.Void) ([]string, error) {
		return durable.WhenAll([]*durable.Task[string]{GetCommit.Call(ctx, "a"), Query.Call(ctx, "b"), Notify.Call(ctx, Mail{"c"})})
	})
	run, err := main.Start(t.Context(), newHub(t, main, GetCommit, Query, Notify), durable.Void{})
	if err != nil {
		t.Fatal(err)
	}
	if results, err := run.Wait(t.Context()); err != nil || len(results) != 3 {
		t.Errorf("%v, %v", results, err)
	}
}
