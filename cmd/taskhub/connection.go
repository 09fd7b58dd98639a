package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/emulator"
	"github.com/go-taskhub/taskhub/storage"
)

// connectionVariable is the environment variable in which Azure Functions keeps the connection string.
const connectionVariable = "AzureWebJobsStorage"

// embeddedPrefix begins the connection strings of the embedded storage.
const embeddedPrefix = "embedded:"

// connection is the storage account that a command works on.
type connection struct {
	world world
	flag  string
}

// addConnection adds the flag that names the account, for a command and those below it.
func addConnection(cmd *cobra.Command, w world) *connection {
	c := &connection{world: w}
	cmd.PersistentFlags().StringVar(&c.flag, "conn", "", "connection `string` of the storage account (default: environment variable "+connectionVariable+")")
	if err := cmd.RegisterFlagCompletionFunc("conn", cobra.NoFileCompletions); err != nil {
		panic(err) // the flag was added just now
	}
	return c
}

// text returns the connection string and where it is from. Nothing is guessed.
func (c *connection) text(cmd *cobra.Command) (text, source string, err error) {
	const forms = `the connection string of an Azure Storage account, or to "UseDevelopmentStorage=true" for "taskhub dev" or Azurite on this machine`
	if cmd.Flags().Changed("conn") {
		if strings.TrimSpace(c.flag) == "" {
			return "", "", errors.New("--conn is empty: set it to " + forms)
		}
		return strings.TrimSpace(c.flag), "--conn", nil
	}
	if text = strings.TrimSpace(c.world.getenv(connectionVariable)); text != "" {
		return text, connectionVariable, nil
	}
	return "", "", fmt.Errorf("no storage account is given: set --conn, or the environment variable %s, to %s", connectionVariable, forms)
}

// open opens the account. With create, a directory of embedded storage that is not there is made.
func (c *connection) open(cmd *cobra.Command, create bool) (*storage.Account, error) {
	text, source, err := c.text(cmd)
	if err != nil {
		return nil, usage(err)
	}
	dir, embedded := strings.CutPrefix(text, embeddedPrefix)
	if dir = strings.TrimSpace(dir); embedded {
		if err := checkEmbedded(dir, source, create); err != nil {
			return nil, usage(err)
		}
	}
	account, err := storage.Open(storage.Config{ConnectionString: text, Application: "taskhub-cli", MaxRetries: interactiveRetries, Logger: c.world.logger()})
	if embedded && err != nil {
		return nil, heldError(dir, err)
	}
	if err != nil {
		return nil, usage(fmt.Errorf("%s: %w", source, err))
	}
	return account, nil
}

// interactiveRetries is less than the library's patience: somebody waits for the answer, and most often for the news that
// nothing listens.
const interactiveRetries = 3

func checkEmbedded(dir, source string, create bool) error {
	if dir == "" {
		return fmt.Errorf("%s is %q, storage in the memory of this command, which begins empty and ends with it: "+
			`give "embedded:DIR", or start "taskhub dev" and use its connection string`, source, embeddedPrefix)
	}
	switch info, err := os.Stat(dir); {
	case err == nil && !info.IsDir():
		return fmt.Errorf("%s: %q is not a directory: give the one that has the embedded storage", source, dir)
	case errors.Is(err, os.ErrNotExist) && !create:
		return fmt.Errorf("%s: there is no directory %q: check the path", source, absolute(dir))
	}
	return nil
}

// heldError explains why a directory of embedded storage cannot be opened.
func heldError(dir string, err error) error {
	var held *emulator.LockedError
	if errors.As(err, &held) {
		return fmt.Errorf(`the embedded storage in %q is in use by %s: if that is "taskhub dev", give the connection string that it printed `+
			`("UseDevelopmentStorage=true" on the usual ports), else stop it`, absolute(dir), process(held.PID))
	}
	return directoryError(dir, err, "check the path after "+embeddedPrefix)
}

func process(pid int) string {
	if pid == 0 {
		return "another process"
	}
	return fmt.Sprintf("process %d", pid)
}

// absolute returns the whole path of a file, for messages.
func absolute(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path
}
