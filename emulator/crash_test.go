package emulator_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"github.com/go-taskhub/taskhub/emulator"
)

// crashVariable names the directory on which this test binary, started as a
// child, writes until it is killed.
const crashVariable = "TASKHUB_EMULATOR_CRASH_DIR"

const crashWriters = 6

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashVariable); dir != "" {
		os.Exit(crashChild(dir))
	}
	if dir := os.Getenv(fullVariable); dir != "" {
		os.Exit(fullChild(dir))
	}
	os.Exit(m.Run())
}

func crashConfig(dir string) emulator.Config {
	return emulator.Config{Dir: dir, MinCompaction: 256 << 10, Logger: slog.New(slog.DiscardHandler)}
}

// crashChild writes with several writers and prints a line for every
// operation that was acknowledged.
func crashChild(dir string) int {
	s, err := emulator.New(crashConfig(dir))
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	c := newClients(childTB{}, s.ConnectionString(), s.Transport())
	round := int(time.Now().UnixMilli())
	var all sync.WaitGroup
	for w := range crashWriters {
		all.Go(func() {
			if err := crashWriter(context.Background(), c, w, round); err != nil {
				fmt.Println("error", err)
			}
		})
	}
	all.Wait()
	return 1
}

// childTB stands in for a test in the child process.
type childTB struct{ testing.TB }

func (childTB) Helper()           {}
func (childTB) Fatal(args ...any) { fmt.Println(append([]any{"error"}, args...)...); os.Exit(1) }

func crashNames(w int) (queue, table, container string) {
	return fmt.Sprintf("queue-%d", w), "Crash", fmt.Sprintf("container-%d", w)
}

// crashWriter repeats four kinds of writes. Lines are "put w id", "deleting w
// id" before a deletion and "deleted w id" after it, "rows w n", "blob w n".
func crashWriter(ctx context.Context, c clients, w, round int) error {
	queueName, tableName, containerName := crashNames(w)
	q := c.queues.NewQueueClient(queueName)
	t := c.tables.NewClient(tableName)
	b := c.blobs.ServiceClient().NewContainerClient(containerName)
	for n := round; ; n++ {
		put, err := q.EnqueueMessage(ctx, fmt.Sprintf("message %d of %d", n, w), nil)
		if err != nil {
			return err
		}
		m := put.Messages[0]
		fmt.Println("put", w, *m.MessageID)
		actions := make([]aztables.TransactionAction, 3)
		for i := range actions {
			actions[i] = aztables.TransactionAction{ActionType: aztables.TransactionTypeInsertReplace,
				Entity: fmt.Appendf(nil, `{"PartitionKey":"%d","RowKey":"%d","N":"%d","N@odata.type":"Edm.Int64"}`, w, i, n)}
		}
		if _, err := t.SubmitTransaction(ctx, actions, nil); err != nil {
			return err
		}
		fmt.Println("rows", w, n)
		text := fmt.Sprintf("%d %s", n, strings.Repeat("x", n%5000))
		if _, err := b.NewBlockBlobClient("blob").Upload(ctx, streaming.NopCloser(strings.NewReader(text)), nil); err != nil {
			return err
		}
		fmt.Println("blob", w, n)
		if n%3 != 0 { // so that the directory stays small and compactions happen
			fmt.Println("deleting", w, *m.MessageID)
			if _, err := q.DeleteMessage(ctx, *m.MessageID, *m.PopReceipt, nil); err != nil {
				return err
			}
			fmt.Println("deleted", w, *m.MessageID)
		}
	}
}

// crashModel is what must be there after a crash.
type crashModel struct {
	messages   [crashWriters]map[string]bool // acknowledged, not deleted
	deleted    [crashWriters]map[string]bool
	rows, blob [crashWriters]int64
	acks       int
}

// TestKill9 kills a process again and again while it writes to a directory.
// Everything it acknowledged must be there, whole transactions only.
func TestKill9(t *testing.T) {
	t.Parallel()
	rounds := 8
	if longRun() {
		rounds = 100
	}
	dir := t.TempDir()
	prepareCrashDir(t, dir)
	model := &crashModel{}
	for w := range crashWriters {
		model.messages[w], model.deleted[w] = make(map[string]bool), make(map[string]bool)
	}
	for round := range rounds {
		runAndKill(t, dir, model)
		checkCrashDir(t, dir, model)
		if t.Failed() {
			t.Fatalf("after crash %d of %d", round+1, rounds)
		}
	}
	t.Logf("%d crashes, %d acknowledged writes", rounds, model.acks)
	if model.acks < rounds {
		t.Error("the children hardly wrote anything")
	}
}

func prepareCrashDir(t *testing.T, dir string) {
	t.Helper()
	s, err := emulator.New(crashConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	c := newClients(t, s.ConnectionString(), s.Transport())
	for w := range crashWriters {
		queueName, tableName, containerName := crashNames(w)
		_, err1 := c.queues.NewQueueClient(queueName).Create(t.Context(), nil)
		_, err2 := c.blobs.CreateContainer(t.Context(), containerName, nil)
		var err3 error
		if w == 0 {
			_, err3 = c.tables.CreateTable(t.Context(), tableName, nil)
		}
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func runAndKill(t *testing.T, dir string, model *crashModel) {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), crashVariable+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	var kill *time.Timer
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			break // a line that was cut off is no acknowledgement
		}
		if kill == nil { // it writes; it has a random time to live
			kill = time.AfterFunc(time.Duration(rand.Int64N(int64(300*time.Millisecond))), func() { _ = cmd.Process.Kill() })
		}
		model.note(t, line)
	}
	if kill == nil {
		t.Fatal("the child wrote nothing")
	}
	_ = cmd.Wait() // it was killed
}

func (m *crashModel) note(t *testing.T, line string) {
	t.Helper()
	var kind, id string
	var w int
	if _, err := fmt.Sscan(line, &kind, &w, &id); err != nil || w >= crashWriters {
		t.Fatalf("the child said %q", line)
	}
	var n int64
	_, _ = fmt.Sscan(id, &n)
	m.acks++
	switch kind {
	case "put":
		m.messages[w][id] = true
	case "deleting": // from here on it may be there or not
		delete(m.messages[w], id)
	case "deleted":
		m.deleted[w][id] = true
	case "rows":
		m.rows[w] = n
	case "blob":
		m.blob[w] = n
	}
}

func checkCrashDir(t *testing.T, dir string, model *crashModel) {
	t.Helper()
	s, err := emulator.New(crashConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	c := newClients(t, s.ConnectionString(), s.Transport())
	for w := range crashWriters {
		checkQueue(t, c, w, model)
		checkRows(t, c, w, model)
		checkBlob(t, c, w, model)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// checkQueue receives everything, which stays invisible for a second only;
// the next child receives nothing.
func checkQueue(t *testing.T, c clients, w int, model *crashModel) {
	t.Helper()
	queueName, _, _ := crashNames(w)
	q := c.queues.NewQueueClient(queueName)
	found := make(map[string]bool)
	many, hidden := int32(32), int32(3600)
	for {
		got, err := q.DequeueMessages(t.Context(), &azqueue.DequeueMessagesOptions{NumberOfMessages: &many, VisibilityTimeout: &hidden})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Messages) == 0 {
			break
		}
		for _, m := range got.Messages {
			found[*m.MessageID] = true
			if _, err := q.DeleteMessage(t.Context(), *m.MessageID, *m.PopReceipt, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	for id := range model.messages[w] {
		if !found[id] {
			t.Errorf("message %s of writer %d is lost", id, w)
		}
	}
	for id := range found {
		if model.deleted[w][id] {
			t.Errorf("message %s of writer %d was deleted and is back", id, w)
		}
		model.deleted[w][id] = true
	}
	clear(model.messages[w])
}

func checkRows(t *testing.T, c clients, w int, model *crashModel) {
	t.Helper()
	if model.rows[w] == 0 {
		return
	}
	_, tableName, _ := crashNames(w)
	filter := fmt.Sprintf("PartitionKey eq '%d'", w)
	page, err := c.tables.NewClient(tableName).NewListEntitiesPager(&aztables.ListEntitiesOptions{Filter: &filter}).NextPage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var first aztables.EDMInt64
	for i, body := range page.Entities {
		var e aztables.EDMEntity
		if err := e.UnmarshalJSON(body); err != nil {
			t.Fatal(err)
		}
		n, _ := e.Properties["N"].(aztables.EDMInt64)
		if i == 0 {
			first = n
		}
		if n != first || int64(n) < model.rows[w] {
			t.Errorf("writer %d: row %d has %d, the first has %d, %d was acknowledged", w, i, n, first, model.rows[w])
		}
	}
	if len(page.Entities) != 3 {
		t.Errorf("writer %d: %d rows", w, len(page.Entities))
	}
}

func checkBlob(t *testing.T, c clients, w int, model *crashModel) {
	t.Helper()
	_, _, containerName := crashNames(w)
	got, err := c.blobs.DownloadStream(t.Context(), containerName, "blob", nil)
	if err != nil {
		if model.blob[w] == 0 && bloberror.HasCode(err, bloberror.BlobNotFound) {
			return
		}
		t.Fatal(err)
	}
	body, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	number, rest, _ := bytes.Cut(body, []byte(" "))
	var n int64
	if _, err := fmt.Sscan(string(number), &n); err != nil || n < model.blob[w] || int64(len(rest)) != n%5000 {
		t.Errorf("writer %d: blob %d with %d bytes, %d was acknowledged", w, n, len(rest), model.blob[w])
	}
}
