// Command orders takes an order through a shop: the goods are reserved, the customer is charged, a shipment is created. When a step fails, those
// before it are made undone.
//
//	go run ./samples/orders [--country Atlantis] [--customer ken] [--quantity 20] [--conn "$AzureWebJobsStorage"] [--hub TaskHub]
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "orders:", err)
		os.Exit(1)
	}
}

// run processes an order, on the hub that the arguments name.
func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("orders", flag.ContinueOnError)
	conn := flags.String("conn", "embedded:", "connection `string` of the storage account")
	name := flags.String("hub", "TaskHub", "`name` of the task hub")
	order := Order{}
	flags.StringVar(&order.ID, "id", "", "`id` of the order, and of the instance; defaults to a new one")
	flags.StringVar(&order.Customer, "customer", "ada", "`name` of the customer; ada has 100.00, ken has 5.00")
	flags.StringVar(&order.Item, "item", "book", "`name` of the item; there are 10 of book and 1 of lamp")
	flags.IntVar(&order.Quantity, "quantity", 1, "how many")
	flags.IntVar(&order.Cents, "cents", 20_00, "the price of all of it")
	flags.StringVar(&order.Country, "country", "Iceland", "where it goes; no carrier goes to Atlantis")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if order.Quantity < 1 || order.Cents < 0 {
		return fmt.Errorf("--quantity %d, --cents %d: must be one or more, and not negative", order.Quantity, order.Cents)
	}
	if order.ID == "" {
		order.ID = "o-" + rand.Text()
	}

	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	hub, err := taskhub.Open(ctx, taskhub.Config{Name: *name, Connection: *conn, Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hub.Close()) }()

	w, err := worker.New(hub, worker.Config{})
	if err != nil {
		return err
	}
	if err := w.Register(bind(newShop())...); err != nil {
		return err
	}
	if err := w.Start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Stop(context.WithoutCancel(ctx))) }()

	instance, err := ProcessOrder.Start(ctx, hub.Client(), order, durable.WithInstanceID(order.ID))
	if err != nil {
		return err
	}
	outcome, err := instance.Wait(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(outcome)
}
