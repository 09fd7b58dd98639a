// Command taskhub is the command line of task hubs: it starts, watches and repairs orchestrations, manages the hubs of an
// Azure Storage account, and runs the embedded storage for development.
//
//	taskhub dev                          embedded storage on this machine, on Azurite's ports, and the HTTP API
//	taskhub start|get|list|wait|…        the instances of a hub
//	taskhub health|stats|export          a hub as a whole
//	taskhub hub list|show|create|…       the task hubs of a storage account
//	taskhub version                      which taskhub this is
//
// docs/cli.md describes the commands, what they write, and their exit statuses.
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
