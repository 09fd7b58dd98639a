package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"github.com/go-taskhub/taskhub/storage"
)

// lines reads what a command writes, line by line, while it runs. It is the writer, too.
type lines struct {
	*io.PipeWriter
	reader *bufio.Reader
}

func newLines() *lines {
	r, w := io.Pipe()
	return &lines{w, bufio.NewReader(r)}
}

// connection waits for the connection string and returns it.
func (l *lines) connection(t *testing.T) string {
	t.Helper()
	var seen strings.Builder
	var found string
	for {
		line, err := l.reader.ReadString('\n')
		seen.WriteString(line)
		if err != nil {
			t.Fatalf("%v after\n%s", err, seen.String())
		}
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "DefaultEndpointsProtocol="):
			found = strings.TrimSpace(line)
		case strings.HasPrefix(line, "Ctrl-C"):
			return found
		}
	}
}

// rest returns what is written until the end.
func (l *lines) rest(t *testing.T) string {
	t.Helper()
	text, err := io.ReadAll(l.reader)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

// child is taskhub as a process of its own.
type child struct {
	cmd *exec.Cmd
	out *lines
	err bytes.Buffer // read it after the end
}

func startProcess(t *testing.T, args ...string) *child {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &child{cmd: exec.Command(program, args...), out: newLines()}
	p.cmd.Env = append(os.Environ(), childVariable+"=1", connectionVariable+"=")
	p.cmd.Stdout, p.cmd.Stderr = p.out, &p.err
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
			go func() { _, _ = io.Copy(io.Discard, p.out.reader) }()
			_ = p.cmd.Wait()
			_ = p.out.Close()
		}
	})
	return p
}

// end sends a signal and returns what was written then, and the exit status, -1 for an end by the signal.
func (p *child) end(t *testing.T, signal os.Signal) (rest string, status int) {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	text := make(chan string, 1)
	go func() { text <- p.out.rest(t) }()
	_ = p.cmd.Wait() // an exit status other than 0 is in ProcessState as well
	_ = p.out.Close()
	return <-text, p.cmd.ProcessState.ExitCode()
}

func put(t *testing.T, conn, text string) {
	t.Helper()
	account, err := storage.Open(storage.Config{ConnectionString: conn})
	if err != nil {
		t.Fatal(err)
	}
	defer account.Close()
	queue := account.Queues().NewQueueClient("letters")
	if _, err := queue.Create(t.Context(), nil); err != nil && !storage.HasCode(err, storage.CodeQueueAlreadyExists) {
		t.Fatal(storage.Explain(err, "create queue"))
	}
	if _, err := queue.EnqueueMessage(t.Context(), text, nil); err != nil {
		t.Fatal(storage.Explain(err, "put"))
	}
}

func peek(t *testing.T, conn string) []string {
	t.Helper()
	account, err := storage.Open(storage.Config{ConnectionString: conn})
	if err != nil {
		t.Fatal(err)
	}
	defer account.Close()
	most := int32(32)
	answer, err := account.Queues().NewQueueClient("letters").PeekMessages(t.Context(), &azqueue.PeekMessagesOptions{NumberOfMessages: &most})
	if err != nil {
		t.Fatal(storage.Explain(err, "peek"))
	}
	var texts []string
	for _, message := range answer.Messages {
		texts = append(texts, *message.MessageText)
	}
	return texts
}

// The life of a directory: a kill, another start, an attempt to have it twice, Ctrl-C, and SIGTERM.
func TestDevProcess(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("needs signals, which Windows does not have")
	}
	dir := t.TempDir()
	first := startProcess(t, dev(dir)...)
	conn := first.out.connection(t)
	put(t, conn, "first")
	newAccount(conn).do(t, "hub", "create", "Orders", "--partitions", "2").wantSuccess(t)
	pid := strconv.Itoa(first.cmd.Process.Pid)
	do(t, dev(dir)...).wantError(t, exitFailure, dir, "in use by process "+pid, "--dir")
	do(t, "hub", "list", "--conn", "embedded:"+dir).wantError(t, exitFailure, "in use by process "+pid, "connection string")
	if _, status := first.end(t, os.Kill); status != -1 {
		t.Errorf("status %d after kill", status)
	}

	for i, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		p := startProcess(t, dev(dir)...)
		conn = p.out.connection(t)
		if got := peek(t, conn); len(got) != i+1 || got[0] != "first" {
			t.Errorf("messages %q", got)
		}
		put(t, conn, "another")
		if hubs := newAccount(conn).hubs(t); len(hubs) != 1 || hubs[0] != (hubJSON{"Orders", 2}) {
			t.Errorf("hubs %v", hubs)
		}
		rest, status := p.end(t, signal)
		if status != exitOK || !strings.Contains(rest, "Stopped. The data is in "+dir) || strings.Contains(p.err.String(), "level=ERROR") {
			t.Errorf("%v: status %d, %q, stderr %q", signal, status, rest, p.err.String())
		}
	}
}

// A process whose input is no terminal is never asked.
func TestDeleteWithoutTerminal(t *testing.T) {
	t.Parallel()
	p := startProcess(t, "hub", "delete", "Orders")
	_ = p.cmd.Wait()
	_ = p.out.Close()
	if got := p.cmd.ProcessState.ExitCode(); got != exitUsage || !strings.Contains(p.err.String(), "--yes") || !strings.HasPrefix(p.err.String(), "taskhub: ") {
		t.Errorf("status %d, %q", got, p.err.String())
	}
}
