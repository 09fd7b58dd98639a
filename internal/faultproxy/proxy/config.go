package proxy

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
)

// Service is one of the three storage services.
type Service string

// The services, as they begin the names of operations.
const (
	Blob  Service = "blob"
	Queue Service = "queue"
	Table Service = "table"
)

// services lists the services in the order of their ports.
func services() [3]Service { return [3]Service{Blob, Queue, Table} }

// Addresses holds one "host:port" for each service.
type Addresses struct{ Blob, Queue, Table string }

// Of returns the address of one service.
func (a Addresses) Of(s Service) string {
	switch s {
	case Blob:
		return a.Blob
	case Queue:
		return a.Queue
	default:
		return a.Table
	}
}

func (a *Addresses) set(s Service, address string) {
	switch s {
	case Blob:
		a.Blob = address
	case Queue:
		a.Queue = address
	default:
		a.Table = address
	}
}

// PortsFrom returns the addresses of three consecutive ports on the loopback interface, as storage emulators use them: blob, queue, table.
func PortsFrom(first int) Addresses {
	at := func(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
	return Addresses{Blob: at(first), Queue: at(first + 1), Table: at(first + 2)}
}

// Config configures a Proxy.
type Config struct {
	// Target holds the addresses of the storage services. Only loopback addresses are accepted. Required.
	Target Addresses
	// Listen holds the addresses to listen on, loopback only. Each defaults to a free port of 127.0.0.1.
	Listen Addresses
	// Seed makes the choices of rules with a rate repeatable. Defaults to 0, which is a seed like any other.
	Seed uint64
	// Record keeps an Entry of every operation in memory, for Proxy.Log. Defaults to false: operations are only counted.
	Record bool
	// Log gets an Entry of every operation as a line of JSON. Defaults to nil, no log. Writes are serialised.
	Log io.Writer
	// Bodies adds the bodies of requests and answers to the entries. Defaults to false.
	Bodies bool
	// MaxBody is how many bytes of each body an entry keeps. Defaults to 1 MiB.
	MaxBody int
	// Logger gets what goes wrong in the proxy itself. Defaults to discarding it.
	Logger *slog.Logger
}

const defaultMaxBody = 1 << 20

// ErrNotLoopback is returned by New for an address outside this machine: the proxy is a test instrument.
var ErrNotLoopback = errors.New("faultproxy: only addresses of this machine (127.0.0.0/8, ::1, localhost) are allowed")

func (c Config) withDefaults() (Config, error) {
	for _, s := range services() {
		if c.Listen.Of(s) == "" {
			c.Listen.set(s, "127.0.0.1:0")
		}
		for _, address := range []string{c.Target.Of(s), c.Listen.Of(s)} {
			if err := checkLoopback(address); err != nil {
				return Config{}, fmt.Errorf("%s service: %w", s, err)
			}
		}
	}
	if c.MaxBody <= 0 {
		c.MaxBody = defaultMaxBody
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

func checkLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("faultproxy: the address %q is not host:port: %w", address, err)
	}
	if host == "localhost" {
		return nil
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.IsLoopback() {
		return fmt.Errorf("%w, not %q", ErrNotLoopback, address)
	}
	return nil
}
