package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/emulator"
	"github.com/go-taskhub/taskhub/storage"
)

// connectionVariable is the setting in which Azure Functions keeps the connection string, an environment variable as a rule.
const connectionVariable = "AzureWebJobsStorage"

// embeddedPrefix begins the connection strings of the embedded storage.
const embeddedPrefix = "embedded:"

// connection is the storage account that a command works on.
type connection struct {
	world    world
	settings settings
	flags    struct{ conn, setting, account, suffix string }
}

// addConnection adds the flags that name the account, for a command and those below it.
func addConnection(cmd *cobra.Command, w world) *connection {
	c := &connection{world: w, settings: settings{world: w}}
	flags := cmd.PersistentFlags()
	flags.StringVar(&c.flags.conn, "conn", "", "connection `string` of the storage account (default: the setting "+connectionVariable+", an environment variable or in "+localFile+")")
	flags.StringVar(&c.flags.setting, "connection", "", "`name` of the setting that has the connection string, or the identity, as in host.json (default "+connectionVariable+")")
	flags.StringVar(&c.flags.account, "account", "", "`name` of the storage account, to use it with your Azure sign-in or a managed identity")
	flags.StringVar(&c.flags.suffix, "endpoint-suffix", "", "`domain` of --account in a sovereign cloud (default "+storage.DefaultEndpointSuffix+")")
	for _, name := range []string{"conn", "connection", "account", "endpoint-suffix"} {
		if err := cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions); err != nil {
			panic(err) // the flag was added just now
		}
	}
	return c
}

// connectionForms says what a connection string can be.
const connectionForms = `the connection string of an Azure Storage account, or to "UseDevelopmentStorage=true" for "taskhub dev" or Azurite on this machine`

// check refuses flags that contradict each other.
func (c *connection) check(cmd *cobra.Command) error {
	changed := cmd.Flags().Changed
	for _, pair := range [][2]string{{"conn", "account"}, {"conn", "connection"}, {"connection", "account"}} {
		if changed(pair[0]) && changed(pair[1]) {
			return fmt.Errorf("--%s and --%s are both given: each names a storage account, so give one of the two", pair[0], pair[1])
		}
	}
	for name, value := range map[string]string{"conn": c.flags.conn, "connection": c.flags.setting, "account": c.flags.account, "endpoint-suffix": c.flags.suffix} {
		if changed(name) && strings.TrimSpace(value) == "" {
			if name == "conn" {
				return errors.New("--conn is empty: set it to " + connectionForms)
			}
			return fmt.Errorf("--%s is empty: leave it out, or give a name", name)
		}
	}
	if changed("endpoint-suffix") && !changed("account") {
		return errors.New("--endpoint-suffix belongs to --account, which is missing")
	}
	return nil
}

// config returns how to open the account, and where that is from. Nothing is guessed.
func (c *connection) config(cmd *cobra.Command) (cfg storage.Config, source string, err error) {
	if err := c.check(cmd); err != nil {
		return cfg, "", err
	}
	switch changed := cmd.Flags().Changed; {
	case changed("conn"):
		return storage.Config{ConnectionString: strings.TrimSpace(c.flags.conn)}, "--conn", nil
	case changed("account"):
		cfg, err := signedIn(storage.Config{AccountName: c.flags.account, EndpointSuffix: c.flags.suffix})
		return cfg, "--account", err
	case changed("connection"):
		return c.named(c.flags.setting, "--connection")
	}
	if err := c.settings.load(); err != nil {
		return cfg, "", err
	}
	if name := c.settings.host.connection; name != "" {
		return c.named(name, hostFile)
	}
	cfg, source, err = c.settings.account(connectionVariable)
	if err == nil && source == "" {
		err = fmt.Errorf("no storage account is given: set --conn, or the environment variable %s, to %s", connectionVariable, connectionForms)
	}
	return cfg, source, err
}

// named returns the account of a setting that somebody has named, a flag or a file.
func (c *connection) named(name, by string) (storage.Config, string, error) {
	if err := c.settings.load(); err != nil {
		return storage.Config{}, "", err
	}
	cfg, source, err := c.settings.account(name)
	if err == nil && source == "" {
		err = fmt.Errorf("%s names the setting %q, and there is none: set the environment variable %s to %s, or give --conn", by, name, name, connectionForms)
	}
	return cfg, source, err
}

// open opens the account. With create, a directory of embedded storage that is not there is made.
func (c *connection) open(cmd *cobra.Command, create bool) (*storage.Account, error) {
	cfg, source, err := c.config(cmd)
	if err != nil {
		return nil, usage(err)
	}
	return c.openConfig(cfg, source, create)
}

// use opens the account, lets a command use it, and closes it. Errors are explained.
func (c *connection) use(cmd *cobra.Command, use func(ctx context.Context, account *storage.Account) error) (err error) {
	account, err := c.open(cmd, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, account.Close()) }()
	return explain(use(cmd.Context(), account))
}

func (c *connection) openConfig(cfg storage.Config, source string, create bool) (*storage.Account, error) {
	dir, embedded := strings.CutPrefix(cfg.ConnectionString, embeddedPrefix)
	if dir = strings.TrimSpace(dir); embedded {
		if err := checkEmbedded(dir, source, create); err != nil {
			return nil, usage(err)
		}
	}
	cfg.Application, cfg.MaxRetries, cfg.Logger = "taskhub-cli", interactiveRetries, c.world.logger()
	account, err := storage.Open(cfg)
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
