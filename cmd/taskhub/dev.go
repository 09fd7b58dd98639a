package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/emulator"
)

// Services in the order of their customary ports.
const (
	blobService = iota
	queueService
	tableService
	services
)

// firstPort is the first of the ports on which every storage emulator listens.
const firstPort = 10000

func serviceNames() [services]string { return [services]string{"blob", "queue", "table"} }

// devOptions are the flags of taskhub dev.
type devOptions struct {
	dir   string
	host  string
	ports [services]int
	api   int
}

func newDev(w world) *cobra.Command {
	var o devOptions
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run embedded Azure Storage and the HTTP API on this machine",
		Long: `Run embedded Azure Storage (blobs, queues, tables) and the HTTP management API of Durable Functions on this machine until
Ctrl-C.

Programs, Azure Storage Explorer and everything else that knows Azurite can connect to it. Everything that was acknowledged
is in the directory and is there again after the next start, however this one ends.`,
		Example: `  taskhub dev
  taskhub dev --dir /var/tmp/shop --blob-port 0 --queue-port 0 --table-port 0 --api-port 0`,
		Args:              arguments(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return usage(err)
			}
			return o.run(cmd.Context(), w)
		},
	}
	cmd.Flags().StringVar(&o.dir, "dir", ".taskhub", "`directory` that keeps the data")
	cmd.Flags().StringVar(&o.host, "host", "127.0.0.1", "`address` to listen on")
	for i, name := range serviceNames() {
		cmd.Flags().IntVar(&o.ports[i], name+"-port", firstPort+i, "`port` of the "+name+" service; 0 takes a free one")
	}
	cmd.Flags().IntVar(&o.api, "api-port", apiPort, "`port` of the HTTP API, on "+apiHost+" only; 0 takes a free one")
	if err := errors.Join(cmd.MarkFlagDirname("dir"), cmd.RegisterFlagCompletionFunc("host", cobra.NoFileCompletions)); err != nil {
		panic(err) // the flags were added just now
	}
	return cmd
}

func (o *devOptions) check() error {
	const maxPort = 1<<16 - 1
	switch {
	case strings.TrimSpace(o.dir) == "":
		return errors.New("--dir is empty; give the directory that keeps the data")
	case o.host == "":
		return errors.New("--host is empty; give the address to listen on")
	}
	if o.api < 0 || o.api > maxPort {
		return fmt.Errorf("--api-port is %d; give a port up to %d, or 0 for a free one", o.api, maxPort)
	}
	names := serviceNames()
	for i, port := range o.ports {
		if port < 0 || port > maxPort {
			return fmt.Errorf("--%s-port is %d; give a port up to %d, or 0 for a free one", names[i], port, maxPort)
		}
		if port != 0 && port == o.api {
			return fmt.Errorf("--api-port and --%s-port are both %d; each service needs a port of its own", names[i], port)
		}
		for j := range i {
			if port != 0 && port == o.ports[j] {
				return fmt.Errorf("--%s-port and --%s-port are both %d; each service needs a port of its own", names[j], names[i], port)
			}
		}
	}
	return nil
}

// run serves until ctx ends.
func (o *devOptions) run(ctx context.Context, w world) (err error) {
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return fmt.Errorf("cannot find out the whole path of %q: %w; give it with --dir", o.dir, err)
	}
	server, err := emulator.New(emulator.Config{Dir: dir, Logger: w.logger()})
	if err != nil {
		return o.directoryError(dir, err)
	}
	defer func() {
		if closeErr := server.Close(); err == nil {
			err = closeErr
		}
	}()
	listener, err := server.Listen(context.WithoutCancel(ctx), emulator.ListenConfig{
		Host: o.host, BlobPort: o.ports[blobService], QueuePort: o.ports[queueService], TablePort: o.ports[tableService],
	})
	if err != nil {
		return o.listenError(err)
	}
	api, err := newDevAPI(context.WithoutCancel(ctx), server, listener.ConnectionString(), o.api, w.logger())
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	addresses := [services]string{blobService: listener.BlobAddr(), queueService: listener.QueueAddr(), tableService: listener.TableAddr()}
	warnOpen(w.err, addresses)
	if _, err := io.WriteString(w.out, devText(dir, listener.ConnectionString(), addresses, api.server.Address())); err != nil {
		return errors.Join(err, api.server.Close(), api.close(), listener.Close())
	}
	if err := api.serve(ctx, server.Failed()); err != nil {
		fmt.Fprintln(w.err, "taskhub: warning: "+oneLine(err.Error()))
	}
	if err := listener.Close(); err != nil { // clients that would not let go; what was acknowledged is safe
		fmt.Fprintln(w.err, "taskhub: warning: "+oneLine(err.Error()))
	}
	if err := server.Err(); err != nil {
		return diskError(dir, err)
	}
	_, err = fmt.Fprintf(w.out, "\nStopped. The data is in %s\n", dir)
	return err
}

// warnOpen warns when others than programs on this machine can connect.
func warnOpen(out io.Writer, addresses [services]string) {
	host, _, err := net.SplitHostPort(addresses[blobService])
	if ip := net.ParseIP(host); err != nil || ip == nil || ip.IsLoopback() {
		return
	}
	fmt.Fprintln(out, "taskhub: warning: this is open to everybody who can reach the machine: the account's key is public, so they can read and change everything")
}
