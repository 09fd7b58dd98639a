// Package testkit gives tests the things outside the module that they need: a storage account, a fresh hub, recorded
// data and the .NET peer. What is not there makes a test skip with a line that says what to do.
package testkit

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-taskhub/taskhub/emulator"
	"github.com/go-taskhub/taskhub/storage"
)

// Environment variables that point tests to what they need.
const (
	// ConnVariable holds the connection string of the account that tests use instead of the embedded storage. Tests leave
	// their queues, tables and containers behind, so it should be an emulator's.
	ConnVariable = "TASKHUB_TEST_CONN"
	// PeerVariable holds the command of the .NET peer.
	PeerVariable = "DTFX_PEER"
)

// embedded is the storage that all tests of a process share when none is configured, as they would share a configured one.
// It is in memory and has no goroutines.
var embedded = sync.OnceValues(func() (*emulator.Server, error) { return emulator.New(emulator.Config{}) })

func server(t testing.TB) *emulator.Server {
	t.Helper()
	s, err := embedded()
	if err != nil {
		t.Fatalf("start the embedded storage: %v", err)
	}
	return s
}

// InProcess reports whether Account and Open use the embedded storage, whose work and memory then count as the test's.
func InProcess() bool { return os.Getenv(ConnVariable) == "" }

// Conn returns the connection string of the account that tests use, the configured one or the embedded storage. It may be
// opened any number of times, by other processes too, until the test ends; all see the same data, and that of [Account].
func Conn(t testing.TB) string {
	t.Helper()
	if conn := os.Getenv(ConnVariable); conn != "" {
		return conn
	}
	listener, err := server(t).Listen(context.WithoutCancel(t.Context()), emulator.ListenConfig{})
	if err != nil {
		t.Fatalf("listen with the embedded storage: %v", err)
	}
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Errorf("close the embedded storage's ports: %v", err)
		}
	})
	return listener.ConnectionString()
}

// Account opens the account that tests use, the configured one or the embedded storage (without sockets), and closes it
// with the test.
func Account(t testing.TB) *storage.Account {
	t.Helper()
	return Open(t, storage.Config{})
}

// Open is Account with further settings; the connection string is filled in. With a Transport, the embedded storage is
// reached through sockets.
func Open(t testing.TB, cfg storage.Config) *storage.Account {
	t.Helper()
	if InProcess() && cfg.Transport == nil {
		cfg.ConnectionString, cfg.Transport = server(t).ConnectionString(), server(t).Transport()
	} else {
		cfg.ConnectionString = Conn(t)
	}
	account, err := storage.Open(cfg)
	if err != nil {
		t.Fatalf("open the account that tests use: %v", err)
	}
	t.Cleanup(func() {
		if err := account.Close(); err != nil {
			t.Errorf("close the account: %v", err)
		}
	})
	return account
}

// Hub returns a hub name that nothing else uses.
func Hub(t testing.TB) string {
	t.Helper()
	const randomBytes = 8
	var b [randomBytes]byte
	if _, err := rand.Read(b[:]); err != nil {
		t.Fatal(err)
	}
	return "T" + hex.EncodeToString(b[:])
}

// Shared returns the path of a file or folder in the folder shared beside the module, or skips the test when it is not
// there.
func Shared(t testing.TB, elems ...string) string {
	t.Helper()
	path := filepath.Join(append([]string{moduleRoot(t), "..", "shared"}, elems...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("needs recorded data: %s is not there", filepath.Join(append([]string{"..", "shared"}, elems...)...))
	}
	return path
}

// Peer returns the command of the .NET peer, or skips the test.
func Peer(t testing.TB) string {
	t.Helper()
	command := os.Getenv(PeerVariable)
	if command == "" {
		t.Skipf("needs the .NET peer: set %s to its command", PeerVariable)
	}
	fields := strings.Fields(command)
	if _, err := exec.LookPath(fields[0]); err != nil {
		t.Skipf("needs the .NET peer: the command in %s cannot be run: %v", PeerVariable, err)
	}
	return command
}

// moduleRoot is the folder of go.mod; tests run in the folder of their package.
func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the test's folder")
		}
		dir = parent
	}
}
