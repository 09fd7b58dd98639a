// Command taskhub is the command line of task hubs: it runs the embedded storage for development, and creates, lists and
// deletes hubs of an Azure Storage account.
//
//	taskhub dev                          embedded storage on this machine, on Azurite's ports, and the HTTP API
//	taskhub hub list|create|delete       the task hubs of a storage account
//	taskhub version                      which taskhub this is
//
// It exits with 0 when it did what it was asked for, with 1 when that failed, and with 2 when the command line cannot be
// carried out as it is written.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(status()) }

func status() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	return run(ctx, os.Args[1:], system())
}

// run carries out a command line and returns the exit status.
func run(ctx context.Context, args []string, w world) int {
	root := newRoot(w)
	root.SetArgs(append([]string{}, args...)) // nil would mean os.Args
	return report(w.err, root.ExecuteContext(ctx))
}
