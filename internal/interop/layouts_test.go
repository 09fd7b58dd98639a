package interop

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/jsontext"
	"github.com/go-taskhub/taskhub/leases"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/taskhub"
)

// layoutCase is a hub as .NET makes it with settings that Go hubs do not have by themselves.
type layoutCase struct {
	mode       leases.Mode
	partitions int
	base64     bool // QueueClientMessageEncoding
	prefix     bool // TrackingStoreNamePrefix
}

// TestNetLayouts: a Go client and a Go worker go on where .NET stopped, on hubs of each partition manager, with Base64 in
// the queues and with tables under another name. The peer has no settings for the latter two, so its hub is converted.
func TestNetLayouts(t *testing.T) {
	t.Parallel()
	for _, c := range []layoutCase{
		{leases.Table, 4, false, false},
		{leases.Safe, 3, true, true},
		{leases.Legacy, 1, true, false},
		{leases.Table, 2, false, true},
	} {
		t.Run(fmt.Sprintf("%v, %d partitions, base64 %v, prefix %v", c.mode, c.partitions, c.base64, c.prefix), func(t *testing.T) {
			t.Parallel()
			newPair(t, c.mode, durable.FailureDetails).layout(c)
		})
	}
}

func (p *pair) layout(c layoutCase) {
	partitions := []string{"--partitions", fmt.Sprint(c.partitions)}
	w := p.worker(netSide, "w1", append(partitions, "--only-orchestrations", "all", "--activities", "0")...)
	p.open()
	parallel(
		func() { p.begin(netSide, "Parent", "parent", `"kid"`, partitions...) },
		func() { p.begin(netSide, "LargeInput", "large", quoted(strings.Repeat("世", 30_000)), partitions...) },
		func() { p.begin(netSide, "WaitForever", "waits", `"x"`, partitions...) },
		func() { p.begin(netSide, "Approval", "approval", "15000", partitions...) },
	)
	for _, id := range []string{"parent", "large", "waits", "approval"} {
		p.await(id, history.Running)
	}
	w.kill()
	p.call(netSide, append([]string{"raise", "--id", "waits", "--event", "Go", "--data", `"now"`}, partitions...)...)

	cfg := taskhub.Config{Name: p.name, Connection: p.conn, Logger: logger()}
	if c.base64 {
		cfg.Base64Queues = true
		p.encodeQueues()
	}
	if c.prefix {
		cfg.TrackingPrefix = "Prefix" + p.name[1:]
		p.moveTable("History", cfg.TrackingPrefix)
		p.moveTable("Instances", cfg.TrackingPrefix)
	}
	hub, err := taskhub.Open(p.within(patience), cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = hub.Close() })
	if hub.LeaseMode() != c.mode || hub.Partitions() != c.partitions {
		p.t.Errorf("the hub shows %v with %d partitions", hub.LeaseMode(), hub.Partitions())
	}
	b := &bench{t: p.t, hub: hub, client: hub.Client(), log: &records{}}
	b.start("OneActivity", "ours", `"us"`)
	p.checkEncoding(hub, c.base64)
	b.worker()
	for id, output := range map[string]string{
		"parent": `"Hello kid!|Hello kid2!"`, "large": "30000", "waits": `"Go=now"`, "approval": `"timed out"`, "ours": `"Hello us!"`,
	} {
		if in := b.await(id, history.Completed); text(in.Output) != output {
			export, _ := b.client.ExportHistory(p.within(time.Minute), id)
			p.t.Errorf("%+v: %s ended with %s\n%s", c, id, text(in.Output), short(string(export)))
		}
	}
	p.hub, p.client = hub, b.client
	for _, id := range []string{"parent", "large", "waits", "approval", "ours"} {
		p.wellFormed(id, false)
	}
	found := 0
	for in, err := range b.client.Query(p.within(time.Minute), taskhub.Query{Inputs: true, Outputs: true}) {
		if err != nil {
			p.t.Fatal(err)
		}
		if in.InstanceID == "large" && len(text(in.Input)) < 90_000 {
			p.t.Errorf("the large input has %d bytes", len(text(in.Input)))
		}
		found++
	}
	if found != 7 {
		p.t.Errorf("the query finds %d instances", found)
	}
	if done, err := b.client.Purge(p.within(time.Minute), "large"); err != nil || done.Instances != 1 || len(p.blobs("large")) > 0 {
		p.t.Errorf("purging: %+v, %v, blobs %v", done, err, p.blobs("large"))
	}
	p.emptyQueues()
}

func (p *pair) queueNames() []string {
	names := []string{p.hub.Names().WorkItemQueue()}
	for i := range p.hub.Partitions() {
		names = append(names, p.hub.Names().ControlQueue(i))
	}
	return names
}

// encodeQueues replaces every message with its Base64. Messages that a dead worker locked, and timers, come in time.
func (p *pair) encodeQueues() {
	p.t.Helper()
	ctx := p.within(patience)
	for _, name := range p.queueNames() {
		q := p.hub.Account().Queues().NewQueueClient(name)
		var texts []string
		p.eventually(name+" is taken over", func() bool {
			for {
				got, err := q.DequeueMessages(ctx, &azqueue.DequeueMessagesOptions{NumberOfMessages: ptr[int32](32)})
				if err != nil {
					p.t.Fatal(err)
				}
				for _, m := range got.Messages {
					texts = append(texts, *m.MessageText)
					if _, err := q.DeleteMessage(ctx, *m.MessageID, *m.PopReceipt, nil); err != nil {
						p.t.Fatal(err)
					}
				}
				if len(got.Messages) == 0 {
					break
				}
			}
			properties, err := q.GetProperties(ctx, nil)
			return err == nil && *properties.ApproximateMessagesCount == 0
		})
		for _, m := range texts {
			if _, err := q.EnqueueMessage(ctx, base64.StdEncoding.EncodeToString([]byte(m)), nil); err != nil {
				p.t.Fatal(err)
			}
		}
	}
}

func ptr[T any](v T) *T { return &v }

// checkEncoding looks at the messages as they are.
func (p *pair) checkEncoding(hub *taskhub.Hub, encoded bool) {
	p.t.Helper()
	seen := 0
	for i := range hub.Partitions() {
		q := hub.Account().Queues().NewQueueClient(hub.Names().ControlQueue(i))
		got, err := q.PeekMessages(p.within(time.Minute), &azqueue.PeekMessagesOptions{NumberOfMessages: ptr[int32](32)})
		if err != nil {
			p.t.Fatal(err)
		}
		for _, m := range got.Messages {
			seen++
			if strings.HasPrefix(*m.MessageText, "{") == encoded {
				p.t.Errorf("a message is %s", short(*m.MessageText))
			}
		}
	}
	if seen == 0 {
		p.t.Error("there are no messages")
	}
}

// moveTable copies the rows of one of the hub's tables to one with another prefix and deletes the old table.
func (p *pair) moveTable(suffix, prefix string) {
	p.t.Helper()
	ctx := p.within(patience)
	service := p.hub.Account().Tables()
	if _, err := service.CreateTable(ctx, prefix+suffix, nil); err != nil {
		p.t.Fatal(storage.Explain(err, "create table"))
	}
	from, to := service.NewClient(p.name+suffix), service.NewClient(prefix+suffix)
	for pager := from.NewListEntitiesPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, raw := range page.Entities {
			var row map[string]any
			if err := json.Unmarshal(raw, &row); err != nil {
				p.t.Fatal(err)
			}
			for _, own := range []string{"odata.etag", "odata.metadata", "Timestamp", "Timestamp@odata.type"} {
				delete(row, own)
			}
			again, _ := json.Marshal(row)
			if _, err := to.AddEntity(storage.WithRequestBody(ctx, jsontext.ASCII(again)), again, nil); err != nil {
				p.t.Fatal(storage.Explain(err, "copy a row"))
			}
		}
	}
	if _, err := service.DeleteTable(ctx, p.name+suffix, nil); err != nil {
		p.t.Fatal(err)
	}
}
