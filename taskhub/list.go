package taskhub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/leases"
)

// Info describes a hub that was found in an account.
type Info struct {
	// Name is the hub's name as its tables, or what its workers agree on, spell it.
	Name string
	// Partitions is the number of control queues.
	Partitions int
	// OtherTables tells that its instances are not in tables of its name: see [Config.TrackingPrefix].
	OtherTables bool
}

// List finds the hubs of an account, in the order of their names: every pair of tables with a hub's names that has
// control queues, and control queues without such tables that workers have used. Name and the fields about a single hub
// in cfg are not looked at.
func List(ctx context.Context, cfg Config) ([]Info, error) {
	a, err := cfg.withDefaults().open()
	if err != nil {
		return nil, fmt.Errorf("list hubs: %w", err)
	}
	hubs, err := list(ctx, a)
	return hubs, errors.Join(err, a.close())
}

// listing is what an account has.
type listing struct {
	tables, queues []string
}

func list(ctx context.Context, a accounts) ([]Info, error) {
	var found listing
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() (err error) { found.tables, err = listTables(groupCtx, a.tracking); return err })
	group.Go(func() (err error) { found.queues, err = listQueues(groupCtx, a.main, ""); return err })
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("list hubs: %w", err)
	}
	hubs := found.byTables()
	others, err := found.byQueues(ctx, a, hubs)
	if err != nil {
		return nil, fmt.Errorf("list hubs: %w", err)
	}
	hubs = append(hubs, others...)
	slices.SortFunc(hubs, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return hubs, nil
}

func (l listing) byTables() (hubs []Info) {
	for _, table := range l.tables {
		name, ok := strings.CutSuffix(table, "Instances")
		if !ok || !slices.Contains(l.tables, name+"History") {
			continue
		}
		if info, ok := l.hub(name); ok {
			hubs = append(hubs, info)
		}
	}
	return hubs
}

// hub counts the control queues of a name.
func (l listing) hub(name string) (Info, bool) {
	names, err := layout.NewNames(name)
	if err != nil {
		return Info{}, false
	}
	info := Info{Name: name}
	for i := range layout.MaxPartitions {
		if slices.Contains(l.queues, names.ControlQueue(i)) {
			info.Partitions++
		}
	}
	return info, info.Partitions > 0
}

// byQueues finds hubs whose tables have a prefix that is not their name. Queues alone do not make a hub: workers leave
// taskhub.json or a Partitions table.
func (l listing) byQueues(ctx context.Context, a accounts, known []Info) (hubs []Info, err error) {
	for _, queue := range l.queues {
		lower, ok := strings.CutSuffix(queue, "-control-00")
		if !ok || slices.ContainsFunc(known, func(i Info) bool { return strings.EqualFold(i.Name, lower) }) {
			continue
		}
		info, ok := l.hub(lower)
		if !ok {
			continue
		}
		if info.Name, err = l.spelling(ctx, a, lower); err != nil {
			return nil, err
		}
		if info.Name != "" {
			info.OtherTables = true
			hubs = append(hubs, info)
		}
	}
	return hubs, nil
}

// spelling finds a hub's name as its workers write it: queues and containers are in lower case. "" means there were none.
func (l listing) spelling(ctx context.Context, a accounts, lower string) (string, error) {
	for _, table := range l.tables {
		if name, ok := strings.CutSuffix(table, "Partitions"); ok && strings.EqualFold(name, lower) {
			return name, nil
		}
	}
	names, err := layout.NewNames(lower)
	if err != nil {
		return "", err
	}
	info, err := leases.ReadHubInfo(ctx, a.tracking, names)
	if err != nil || info == nil {
		return "", err
	}
	if strings.EqualFold(info.TaskHubName, lower) {
		return info.TaskHubName, nil
	}
	return lower, nil
}
