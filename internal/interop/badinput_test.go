package interop

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/internal/twins/programs"
	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/taskhub"
	"github.com/go-taskhub/taskhub/worker"
)

// records keeps what a worker reports.
type records struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *records) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

// about are the reports that mention all the words.
func (r *records) about(words ...string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []string
	for line := range strings.Lines(r.text.String()) {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			found = append(found, line)
		}
	}
	return found
}

// bench is a hub with a worker in this process, and tools to do damage.
type bench struct {
	t      *testing.T
	hub    *taskhub.Hub
	client *taskhub.Client
	log    *records
	fleet  worker.Fleet // empty for what the hub is
}

// inFleets runs a test in a hub of each kind.
func inFleets(t *testing.T, run func(b *bench)) {
	t.Helper()
	for _, fleet := range []worker.Fleet{worker.FleetGo, worker.FleetMixed} {
		t.Run(string(fleet), func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.fleet = fleet
			run(b)
		})
	}
}

func newBench(t *testing.T) *bench {
	t.Helper()
	r := &records{}
	hub, err := taskhub.Open(within(t, patience), taskhub.Config{
		Name: testkit.Hub(t), Account: testkit.Account(t), Partitions: 1, // one, so that the bad stands in the way of the good
		Logger: slog.New(slog.NewTextHandler(r, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hub.Close() })
	return &bench{t: t, hub: hub, client: hub.Client(), log: r}
}

// worker runs a worker in this process until stop is called.
func (b *bench) worker() (stop func()) {
	b.t.Helper()
	w, err := worker.New(b.hub, worker.Config{Fleet: b.fleet, MaxPoll: 300 * time.Millisecond})
	if err == nil {
		err = w.Register(append(programs.Orchestrators(), programs.Activities()...)...)
	}
	if err == nil {
		err = w.Start(within(b.t, patience))
	}
	if err != nil {
		b.t.Fatal(err)
	}
	stop = func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := w.Stop(ctx); err != nil {
			b.t.Errorf("stopping the worker: %v", err)
		}
	}
	b.t.Cleanup(stop)
	return stop
}

func (b *bench) start(name, id, input string) {
	b.t.Helper()
	_, err := b.client.StartOrchestration(within(b.t, patience), durable.StartRequest{Name: name, InstanceID: id, Input: &input})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) await(id string, want history.Status) *durable.Instance {
	b.t.Helper()
	var in *durable.Instance
	eventually(b.t, fmt.Sprintf("%s is %v", id, want), func() bool {
		// The error may say what else of the row cannot be read.
		in, _ = b.client.GetInstance(within(b.t, time.Minute), id)
		return in != nil && in.Status == want
	})
	return in
}

func (b *bench) table(name string) *aztables.Client {
	return b.hub.Account().Tables().NewClient(name)
}

// row reads a row as the service sends it.
func (b *bench) row(table, id, rowKey string) map[string]any {
	b.t.Helper()
	got, err := b.table(table).GetEntity(within(b.t, time.Minute), layout.EscapeKey(id), rowKey, nil)
	if err != nil {
		b.t.Fatalf("row %s %s: %v", id, rowKey, err)
	}
	var row map[string]any
	if err := json.Unmarshal(got.Value, &row); err != nil {
		b.t.Fatal(err)
	}
	delete(row, "odata.etag")
	delete(row, "odata.metadata")
	delete(row, "Timestamp")
	delete(row, "Timestamp@odata.type")
	return row
}

// put replaces a row.
func (b *bench) put(table string, row map[string]any) {
	b.t.Helper()
	text, err := json.Marshal(row)
	if err != nil {
		b.t.Fatal(err)
	}
	_, err = b.table(table).UpsertEntity(within(b.t, time.Minute), text, &aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeReplace})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) deleteRow(table, id, rowKey string) {
	b.t.Helper()
	whatever := azcore.ETagAny
	_, err := b.table(table).DeleteEntity(within(b.t, time.Minute), layout.EscapeKey(id), rowKey, &aztables.DeleteEntityOptions{IfMatch: &whatever})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) queue(i int) *azqueue.QueueClient {
	name := b.hub.Names().ControlQueue(i)
	if i < 0 {
		name = b.hub.Names().WorkItemQueue()
	}
	return b.hub.Account().Queues().NewQueueClient(name)
}

func (b *bench) blob(name string, content []byte) {
	b.t.Helper()
	_, err := b.hub.Account().Blobs().CreateContainer(within(b.t, time.Minute), b.hub.Names().LargeMessageContainer(), nil)
	if err != nil && !storage.IsConflict(err) {
		b.t.Fatal(err)
	}
	_, err = b.hub.Account().Blobs().UploadBuffer(within(b.t, time.Minute), b.hub.Names().LargeMessageContainer(), name, content, nil)
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) deleteBlob(name string) {
	b.t.Helper()
	if _, err := b.hub.Account().Blobs().DeleteBlob(within(b.t, time.Minute), b.hub.Names().LargeMessageContainer(), name, nil); err != nil {
		b.t.Fatal(err)
	}
}

func zipped(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.Bytes()
}

// damage is something that is wrong with the stored history of an instance that waits for an event.
type damage struct {
	name string
	do   func(b *bench, id string) (repair func())
	// report is what the worker's log must say beside the instance's id. Empty: the damage is none to the reader.
	report string
}

// column changes a column of the row with ExecutionStarted; nil removes it.
func column(name string, value any, annotation string) func(*bench, string) func() {
	return func(b *bench, id string) func() {
		return b.changeRow(id, layout.RowKey(1), name, value, annotation)
	}
}

func (b *bench) changeRow(id, rowKey, name string, value any, annotation string) (repair func()) {
	table := b.hub.Names().HistoryTable()
	before, row := b.row(table, id, rowKey), b.row(table, id, rowKey)
	delete(row, name)
	delete(row, name+"@odata.type")
	if value != nil {
		row[name] = value
	}
	if annotation != "" {
		row[name+"@odata.type"] = annotation
	}
	b.put(table, row)
	return func() { b.put(table, before) }
}

func largeInput(change func(b *bench, blob string)) func(*bench, string) func() {
	return func(b *bench, id string) func() {
		row := b.row(b.hub.Names().HistoryTable(), id, layout.RowKey(1))
		text := row["Input"].(string)
		name := id + "/history-" + layout.RowKey(1) + "-ExecutionStarted-0000002A-Input.json.gz"
		b.blob(name, zipped(text))
		b.changeRow(id, layout.RowKey(1), "Input", "", "")
		b.changeRow(id, layout.RowKey(1), "InputBlobName", name, "")
		change(b, name)
		return func() { b.blob(name, zipped(text)) }
	}
}

func historyDamages() []damage {
	missingRow := func(b *bench, id string) func() {
		table := b.hub.Names().HistoryTable()
		before := b.row(table, id, layout.RowKey(1))
		b.deleteRow(table, id, layout.RowKey(1))
		return func() { b.put(table, before) }
	}
	return []damage{
		{"row missing", missingRow, "row"},
		{"no event type", column("EventType", nil, ""), "EventType"},
		{"unknown event type", column("EventType", "FutureEvent", ""), "FutureEvent"},
		{"event type is a number", column("EventType", 7, ""), "EventType"},
		{"event id is a text", column("EventId", "-1", ""), "EventId"},
		{"event id is a long", column("EventId", "-1", "Edm.Int64"), "EventId"},
		{"timestamp is a text", column("_Timestamp", "yesterday", ""), "_Timestamp"},
		{"instance is no JSON", column("OrchestrationInstance", "{", ""), "OrchestrationInstance"},
		{"name is a number", column("Name", 5, ""), "Name"},
		{"parent is an array", column("ParentInstance", "[]", ""), "ParentInstance"},
		{"blob missing", largeInput(func(b *bench, name string) { b.deleteBlob(name) }), "Input"},
		{"blob truncated", largeInput(func(b *bench, name string) {
			text := zipped(strings.Repeat("abc", 1000))
			b.blob(name, text[:len(text)-12])
		}), "Input"},
		{"blob is no gzip", largeInput(func(b *bench, name string) { b.blob(name, []byte("plain text")) }), "Input"},
		{"blob name is a number", func(b *bench, id string) func() {
			repair := b.changeRow(id, layout.RowKey(1), "Input", "", "")
			b.changeRow(id, layout.RowKey(1), "InputBlobName", 5, "")
			return repair
		}, "InputBlobName"},

		{"unknown columns", column("Colour", "red", ""), ""},
		{"unknown columns of other types", column("Weight", "5", "Edm.Int64"), ""},
		{"columns missing that may be", column("Tags", nil, ""), ""},
		{"blob name is a number beside a value", column("InputBlobName", 5, ""), ""},
		{"sentinel names no text", func(b *bench, id string) func() {
			return b.changeRow(id, layout.SentinelRowKey, "ExecutionId", 5, "")
		}, ""},
		{"no sentinel", func(b *bench, id string) func() {
			b.deleteRow(b.hub.Names().HistoryTable(), id, layout.SentinelRowKey)
			return func() {}
		}, ""},
		{"rows of another execution behind", func(b *bench, id string) func() {
			row := b.row(b.hub.Names().HistoryTable(), id, layout.RowKey(2))
			row["RowKey"], row["ExecutionId"], row["EventType"] = layout.RowKey(3), "older", "FutureEvent"
			b.put(b.hub.Names().HistoryTable(), row)
			return func() {}
		}, ""},
	}
}

// TestDamagedHistories: an instance whose history cannot be read is reported with row and column, and nothing of it is
// changed; others go on; and it goes on itself once the damage is repaired.
func TestDamagedHistories(t *testing.T) {
	t.Parallel()
	inFleets(t, damagedHistories)
}

func damagedHistories(b *bench) {
	t := b.t
	stop := b.worker()
	damages := historyDamages()
	id := func(i int) string { return fmt.Sprintf("bad-%02d", i) }
	for i := range damages {
		b.start("WaitForever", id(i), `"x"`)
	}
	b.start("WaitForever", "healthy", `"x"`)
	for i := range damages {
		b.await(id(i), history.Running)
	}
	b.await("healthy", history.Running)
	stop()

	repairs := make([]func(), len(damages))
	for i, d := range damages {
		repairs[i] = d.do(b, id(i))
	}
	for i := range damages {
		if err := b.client.RaiseEvent(within(t, time.Minute), id(i), "Go", i); err != nil {
			t.Fatal(err)
		}
	}
	b.worker()
	for i := range 20 {
		b.start("Chain", fmt.Sprint("chain-", i), "3")
	}
	if err := b.client.RaiseEvent(within(t, time.Minute), "healthy", "Go", "x"); err != nil {
		t.Fatal(err)
	}
	b.await("healthy", history.Completed)
	for i := range 20 {
		b.await(fmt.Sprint("chain-", i), history.Completed)
	}
	for i, d := range damages {
		if d.report == "" {
			b.await(id(i), history.Completed)
			continue
		}
		if !comesTrue(patience/8, func() bool { return len(b.log.about(id(i), d.report)) > 0 }) {
			in, err := b.client.GetInstance(within(t, time.Minute), id(i))
			t.Errorf("%s is not reported: %+v, %v\n%s", d.name, in, err, b.log.about(id(i)))
		}
		if n := len(b.log.about(id(i))); n > 12 {
			t.Errorf("%s: %d reports, as if there was no pause in between:\n%s", d.name, n, b.log.about(id(i))[0])
		}
	}
	for _, repair := range repairs {
		repair()
	}
	for i, d := range damages {
		in := b.await(id(i), history.Completed)
		if text(in.Output) != fmt.Sprintf(`"Go=%d"`, i) {
			t.Errorf("%s: after the repair it ended with %s", d.name, text(in.Output))
		}
	}
}

// instanceDamages are wrong status rows of a running instance: workers decide by the history, so it must end well.
func instanceDamages() map[string]func(row map[string]any) {
	return map[string]func(map[string]any){
		"unknown status":        func(row map[string]any) { row["RuntimeStatus"] = "Sleeping" },
		"status is a number":    func(row map[string]any) { row["RuntimeStatus"] = 5 },
		"no status":             func(row map[string]any) { delete(row, "RuntimeStatus") },
		"no execution":          func(row map[string]any) { delete(row, "ExecutionId") },
		"creation is a text":    func(row map[string]any) { row["CreatedTime"] = "yesterday"; delete(row, "CreatedTime@odata.type") },
		"no creation":           func(row map[string]any) { delete(row, "CreatedTime"); delete(row, "CreatedTime@odata.type") },
		"generation is a text":  func(row map[string]any) { row["Generation"] = "one" },
		"generation is a long":  func(row map[string]any) { row["Generation"] = "0"; row["Generation@odata.type"] = "Edm.Int64" },
		"input is a number":     func(row map[string]any) { row["Input"] = 5 },
		"input is a lost blob":  func(row map[string]any) { row["Input"] = "https://account.example/container/lost.json.gz" },
		"tags are no object":    func(row map[string]any) { row["Tags"] = "[1" },
		"name is missing":       func(row map[string]any) { delete(row, "Name") },
		"unknown columns":       func(row map[string]any) { row["Colour"] = true },
		"custom status is long": func(row map[string]any) { row["CustomStatus"] = "7"; row["CustomStatus@odata.type"] = "Edm.Int64" },
	}
}

// TestDamagedStatusRows: what is wrong with a status row is reported by those who read it, and a worker puts it right.
func TestDamagedStatusRows(t *testing.T) {
	t.Parallel()
	inFleets(t, damagedStatusRows)
}

func damagedStatusRows(b *bench) {
	t := b.t
	stop := b.worker()
	damages := instanceDamages()
	id := func(name string) string { return strings.ReplaceAll(name, " ", "-") }
	for name := range damages {
		b.start("WaitForever", id(name), `"x"`)
	}
	for name := range damages {
		b.await(id(name), history.Running)
	}
	stop()
	table := b.hub.Names().InstancesTable()
	for name, change := range damages {
		row := b.row(table, id(name), "")
		change(row)
		b.put(table, row)
	}
	// A listing shows all of them.
	listed := map[string]bool{}
	for in, err := range b.client.Query(within(t, time.Minute), taskhub.Query{Inputs: true, Outputs: true}) {
		if err != nil {
			t.Fatal(err)
		}
		listed[in.InstanceID] = true
	}
	for name := range damages {
		if !listed[id(name)] {
			t.Errorf("%s: the listing leaves it out", name)
		}
		if err := b.client.RaiseEvent(within(t, time.Minute), id(name), "Go", "x"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	b.worker()
	for name := range damages {
		in := b.await(id(name), history.Completed)
		if text(in.Output) != `"Go=x"` {
			t.Errorf("%s: it ended with %s", name, text(in.Output))
		}
	}
}

const envelopeStart = `{"$type":"DurableTask.AzureStorage.MessageData","ActivityId":"5406d369-4369-4673-afae-6671a2fa1e57","TaskMessage":`

// message is an envelope around an event for an instance.
func message(event, id string) string {
	return envelopeStart + `{"$type":"DurableTask.Core.TaskMessage","Event":` + event + `,"SequenceNumber":0,"OrchestrationInstance":{"$type":"DurableTask.Core.OrchestrationInstance","InstanceId":"` +
		id + `","ExecutionId":null},"OrchestrationExecutionContext":null},"CompressedBlobName":null,"SequenceNumber":1,"Sender":{"InstanceId":"","ExecutionId":""},"SerializableTraceContext":null}`
}

func event(class, own string) string {
	return `{"$type":"DurableTask.Core.History.` + class + `",` + own + `"EventId":-1,"IsPlayed":false,"Timestamp":"2026-06-01T12:34:56.789012Z"}`
}

// oddMessages are messages that no worker can apply. The ones about running instances leave them alone.
func oddMessages(id string) map[string]string {
	blob := func(name string) string {
		return `{"$type":"DurableTask.AzureStorage.MessageData","ActivityId":"00000000-0000-0000-0000-000000000000","TaskMessage":null,"CompressedBlobName":"` + name +
			`","SequenceNumber":0,"Sender":null,"SerializableTraceContext":null}`
	}
	return map[string]string{
		"no JSON":                   "hello",
		"no base64":                 "####",
		"base64 of no JSON":         "aGVsbG8=",
		"empty object":              "{}",
		"half a message":            message(event("EventRaisedEvent", `"EventType":15,"Name":"Go","Input":"1",`), id)[:300],
		"no task message":           envelopeStart + `null,"CompressedBlobName":null,"SequenceNumber":1,"Sender":null}`,
		"no event":                  message("null", id),
		"unknown class":             message(event("FutureEvent", ""), id),
		"class not first":           message(`{"EventId":-1,"$type":"DurableTask.Core.History.EventRaisedEvent","EventType":15,"Name":"Go","Input":"1","Timestamp":"2026-06-01T12:34:56Z"}`, "nobody at all"), // it can be understood, but is for nobody
		"wrong type":                message(event("TaskCompletedEvent", `"EventType":5,"TaskScheduledId":"zero","Result":"1",`), id),
		"no instance":               message(event("EventRaisedEvent", `"EventType":15,"Name":"Go","Input":"1",`), ""),
		"deep":                      message(strings.Repeat(`{"a":`, 5000)+"1"+strings.Repeat("}", 5000), id),
		"blob missing":              blob("nobody/message-5406d36943694673afae6671a2fa1e57-EventRaised.json.gz"),
		"blob truncated":            blob("truncated.json.gz"),
		"blob of a blob":            blob("wrapper.json.gz"),
		"blob outside":              blob("../../etc/passwd"),
		"history only: started":     message(event("OrchestratorStartedEvent", `"EventType":12,`), id),
		"history only: completed":   message(event("ExecutionCompletedEvent", `"EventType":1,"OrchestrationStatus":1,"Result":"1","FailureDetails":null,`), id),
		"history only: timer":       message(event("TimerCreatedEvent", `"EventType":10,"FireAt":"2026-06-01T12:34:56Z",`), id),
		"history only: state":       message(event("HistoryStateEvent", `"EventType":18,"State":null,`), id),
		"continue as new":           message(event("ContinueAsNewEvent", `"EventType":16,"OrchestrationStatus":2,"Result":"1","FailureDetails":null,`), id),
		"rewound":                   message(event("ExecutionRewoundEvent", `"EventType":21,"Reason":"x","ParentExecutionId":null,"InstanceId":null,"ParentTraceContext":null,`), id),
		"scheduled task":            message(strings.Replace(event("TaskScheduledEvent", `"EventType":4,"Name":"Say","Version":"","Input":"[]","ParentTraceContext":null,"Tags":null,`), `"EventId":-1`, `"EventId":0`, 1), id),
		"start without instance":    message(event("ExecutionStartedEvent", `"EventType":0,"Name":"Empty","Version":"","Input":"1",`), id),
		"answer to nothing":         message(event("TaskCompletedEvent", `"EventType":5,"TaskScheduledId":77,"Result":"1",`), id),
		"timer of nothing":          message(event("TimerFiredEvent", `"EventType":11,"TimerId":77,"FireAt":"2026-06-01T12:34:56Z",`), id),
		"answer to nobody":          message(event("TaskCompletedEvent", `"EventType":5,"TaskScheduledId":1,"Result":"1",`), "nobody"),
		"event for nobody":          message(event("EventRaisedEvent", `"EventType":15,"Name":"Go","Input":"1",`), "nobody at all"),
		"terminate for nobody":      message(event("ExecutionTerminatedEvent", `"EventType":3,"Input":"x",`), "nobody else"),
		"rewind of what runs":       message(event("GenericEvent", `"Data":"x","EventType":17,`), id),
		"rewind of nobody":          message(event("GenericEvent", `"Data":"x","EventType":17,`), "nobody there"),
		"event without name":        message(event("SubOrchestrationInstanceCompletedEvent", `"EventType":8,"TaskScheduledId":2147483647,"Result":null,`), id),
		"unknown orchestrator":      message(event("ExecutionSuspendedEvent", `"EventType":19,"Reason":null,`), "@entity@k"),
		"start by a client, no row": strings.ReplaceAll(message(event("ExecutionStartedEvent", `"OrchestrationInstance":{"$type":"DurableTask.Core.OrchestrationInstance","InstanceId":"no row","ExecutionId":"e1"},"EventType":0,"ParentInstance":null,"Name":"Empty","Version":"","Input":"1","Tags":null,`), "no row"), `"ExecutionId":null`, `"ExecutionId":"e1"`),
	}
}

// TestOddMessages: whatever is in the queues, the instances that can run do, and what is set aside is not looked at in a
// tight loop.
func TestOddMessages(t *testing.T) {
	t.Parallel()
	inFleets(t, sendOddMessages)
}

func sendOddMessages(b *bench) {
	t := b.t
	stop := b.worker()
	b.start("WaitForever", "running", `"x"`)
	b.await("running", history.Running)
	stop()

	text := zipped(message(event("EventRaisedEvent", `"EventType":15,"Name":"Go","Input":"1",`), "running"))
	b.blob("truncated.json.gz", text[:len(text)/2])
	b.blob("wrapper.json.gz", zipped(oddMessages("running")["blob missing"]))
	for _, queue := range []int{0, -1} {
		for name, m := range oddMessages("running") {
			if _, err := b.queue(queue).EnqueueMessage(within(t, time.Minute), m, nil); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	b.worker()
	for i := range 10 {
		b.start("HelloSequence", fmt.Sprint("hello-", i), "null")
	}
	for i := range 10 {
		b.await(fmt.Sprint("hello-", i), history.Completed)
	}
	// The running instance has not been touched by any of it.
	if in, err := b.client.GetInstance(within(t, time.Minute), "running"); err != nil || in.Status != history.Running {
		export, _ := b.client.ExportHistory(within(t, time.Minute), "running")
		t.Fatalf("it is %+v, %v\n%s", in, err, export)
	}
	if in := b.await("running", history.Running); in.Output != nil {
		t.Errorf("its output is %s", *in.Output)
	}
	if err := b.client.RaiseEvent(within(t, time.Minute), "running", "Go", "x"); err != nil {
		t.Fatal(err)
	}
	if in := b.await("running", history.Completed); *in.Output != `"Go=x"` {
		t.Errorf("it ended with %s", *in.Output)
	}
	events, err := b.client.History(within(t, time.Minute), "running")
	if err != nil {
		t.Fatal(err)
	}
	if found := flaws(events, false); len(found) > 0 {
		t.Errorf("its history: %v", found)
	}
	for _, name := range []string{"nobody", "nobody at all", "nobody else", "nobody there", "no row"} {
		if in, err := b.client.GetInstance(within(t, time.Minute), name); err == nil {
			t.Errorf("%q exists: %+v", name, in)
		}
	}
	if n := len(b.log.about("level=")); n > 20*len(oddMessages("")) {
		t.Errorf("%d reports of %d odd messages", n, 2*len(oddMessages("")))
	}
	if t.Failed() || testing.Verbose() {
		for _, line := range b.log.about("level=") {
			t.Log(strings.TrimSpace(line))
		}
	}
}
