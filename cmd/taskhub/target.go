package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/taskhub"
)

// hubSetting is the variable with which Azure Functions overrides the hub's name in host.json.
const hubSetting = "AzureFunctionsJobHost:extensions:durableTask:hubName"

// target is the task hub that a command works on. A command makes one with addTarget and works with run.
type target struct {
	*connection
	// create says that a directory of embedded storage may be made, for commands that create a hub.
	create bool

	flagHub, flagPrefix, flagTracking string
	flagEncoding                      *choice
}

// Encodings of queue messages.
const (
	encodingUTF8   = "utf8"
	encodingBase64 = "base64"
)

// addTarget adds the flags that name the task hub and its storage account, for a command and those below it.
func addTarget(cmd *cobra.Command, w world) *target {
	t := &target{connection: addConnection(cmd, w)}
	flags := cmd.PersistentFlags()
	flags.StringVar(&t.flagHub, "hub", "", "`name` of the task hub (default: the one in "+hostFile+", else "+defaultHub+")")
	flags.StringVar(&t.flagPrefix, "tracking-prefix", "", "what the names of the hub's tables begin with, for hubs with a TrackingStoreNamePrefix")
	flags.StringVar(&t.flagTracking, "tracking-conn", "", "connection `string` of the account that has the hub's tables, for hubs that keep them elsewhere")
	t.flagEncoding = &choice{allowed: []string{encodingUTF8, encodingBase64}}
	flags.Var(t.flagEncoding, "queue-encoding", "how the hub's workers encode messages (default: as in "+hostFile+", else "+encodingUTF8+")")
	err := errors.Join(
		cmd.RegisterFlagCompletionFunc("queue-encoding", cobra.FixedCompletions(t.flagEncoding.allowed, cobra.ShellCompDirectiveNoFileComp)),
		cmd.RegisterFlagCompletionFunc("hub", completeHubs(t.connection)),
		cmd.RegisterFlagCompletionFunc("tracking-prefix", cobra.NoFileCompletions),
		cmd.RegisterFlagCompletionFunc("tracking-conn", cobra.NoFileCompletions),
	)
	if err != nil {
		panic(err) // the flags were added just now
	}
	return t
}

// run opens the hub, lets a command use it, and closes it. Errors are explained. The hub need not exist; what a command
// then does says so.
func (t *target) run(cmd *cobra.Command, use func(ctx context.Context, hub *taskhub.Hub) error) (err error) {
	cfg, err := t.hubConfig(cmd)
	if err != nil {
		return usage(err)
	}
	if cfg.Account, err = t.open(cmd, t.create); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cfg.Account.Close()) }()
	if cfg.TrackingAccount, err = t.openTracking(cmd); err != nil {
		return err
	}
	if cfg.TrackingAccount != nil {
		defer func() { err = errors.Join(err, cfg.TrackingAccount.Close()) }()
	}
	ctx := cmd.Context()
	hub, err := taskhub.Open(ctx, cfg)
	if err != nil {
		return explain(err)
	}
	defer func() { err = errors.Join(err, hub.Close()) }()
	return explain(use(ctx, hub))
}

// hubConfig says which hub is meant.
func (t *target) hubConfig(cmd *cobra.Command) (taskhub.Config, error) {
	cfg := taskhub.Config{Name: strings.TrimSpace(t.flagHub), TrackingPrefix: t.flagPrefix, Logger: t.world.logger()}
	source := "--hub"
	cfg.Base64Queues = t.flagEncoding.value == encodingBase64
	if !cmd.Flags().Changed("hub") {
		if err := t.settings.load(); err != nil {
			return cfg, err
		}
		if t.flagEncoding.value == "" {
			cfg.Base64Queues = t.settings.host.base64
		}
		name, from := t.settings.value(hubSetting)
		source = cmp.Or(from, hostFile)
		cfg.Name = cmp.Or(name, t.settings.host.hub, defaultHub)
		if !cmd.Flags().Changed("tracking-prefix") {
			cfg.TrackingPrefix = t.settings.host.trackingPrefix
		}
	}
	if cfg.Name == "" {
		return cfg, errors.New("--hub is empty: leave it out, or give the hub's name")
	}
	names, err := layout.NewNames(cfg.Name)
	if err != nil {
		return cfg, fmt.Errorf("%s: %w", source, err)
	}
	if _, err := names.WithTrackingPrefix(cfg.TrackingPrefix); err != nil {
		return cfg, fmt.Errorf("--tracking-prefix: %w", err)
	}
	return cfg, nil
}

// openTracking opens the account that has the hub's tables, if that is another one.
func (t *target) openTracking(cmd *cobra.Command) (*storage.Account, error) {
	changed := cmd.Flags().Changed
	if changed("tracking-conn") {
		if strings.TrimSpace(t.flagTracking) == "" {
			return nil, usage(errors.New("--tracking-conn is empty: leave it out, or give a connection string"))
		}
		return t.openConfig(storage.Config{ConnectionString: strings.TrimSpace(t.flagTracking)}, "--tracking-conn", false)
	}
	name := t.settings.host.tracking
	if name == "" || changed("conn") || changed("account") || changed("connection") {
		return nil, nil
	}
	cfg, source, err := t.named(name, hostFile)
	if err != nil {
		return nil, usage(err)
	}
	return t.openConfig(cfg, source, false)
}

// requireHub wants the hub to exist, for commands that would find nothing wrong with an empty one.
func requireHub(ctx context.Context, hub *taskhub.Hub) error {
	_, err := hub.Client().GetStatus(ctx, "-") // any id does: what counts is whether there is a table to look in
	if errors.Is(err, taskhub.ErrInstanceNotFound) {
		return nil
	}
	return err
}
