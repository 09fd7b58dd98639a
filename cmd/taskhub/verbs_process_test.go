package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/durable"
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/taskhub"
)

// The program itself, on a directory of embedded storage.
func TestProcess(t *testing.T) {
	t.Parallel()
	conn := "embedded:" + filepath.Join(t.TempDir(), "storage")
	for _, step := range []struct {
		args   string
		status int
		out    string
		err    string
	}{
		{"get a", exitUsage, "", "there is no directory"},
		{"start Checkout --id a --input 7", exitOK, "Instance: a\n", `Task hub "TaskHub" was not there and is created.`},
		{"get a -o json", exitOK, `"input": 7`, ""},
		{"wait a --timeout 200ms", exitTimeout, "", "has not ended within 200ms: it is Pending"},
		{"terminate a --reason no", exitOK, "is told to end", ""},
		{"get nobody", exitNotFound, "", "there is no instance"},
		{"purge a", exitState, "", "--force"},
		{"purge a --force", exitOK, "Purged instance", ""},
		{"list", exitOK, "", `Hub "TaskHub" has no instances.`},
		{"stats -o json", exitOK, `"total": 0`, ""},
		{"list --nonsense", exitUsage, "", "unknown flag: --nonsense"},
	} {
		p := startProcess(t, append(strings.Fields(step.args), "--conn", conn)...)
		out := p.out.wait(t, p)
		if p.cmd.ProcessState.ExitCode() != step.status || !strings.Contains(out, step.out) || step.out == "" && out != "" || !strings.Contains(p.err.String(), step.err) || step.err == "" && p.err.Len() > 0 {
			t.Errorf("%s: status %d, %q, stderr %q", step.args, p.cmd.ProcessState.ExitCode(), out, p.err.String())
		}
		if strings.Contains(out+p.err.String(), "\x1b") {
			t.Errorf("%s: there are escape sequences though there is no terminal", step.args)
		}
	}
}

// wait returns what a process writes until its end.
func (l *lines) wait(t *testing.T, p *child) string {
	t.Helper()
	text := make(chan string, 1)
	go func() { text <- l.rest(t) }()
	_ = p.cmd.Wait() // an exit status other than 0 is in ProcessState as well
	_ = l.Close()
	return <-text
}

func TestProcessInterrupted(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("needs signals, which Windows does not have")
	}
	d := newDesk(t)
	d.ok("start", "Checkout", "--id", "a")
	for args, want := range map[string]int{"get a --watch": exitInterrupted, "stats --watch": exitOK} {
		p := startProcess(t, append(strings.Fields(args), "--conn", d.conn, "--hub", d.name)...)
		if _, err := p.out.reader.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if _, status := p.end(t, os.Interrupt); status != want {
			t.Errorf("%s: status %d, stderr %q", args, status, p.err.String())
		}
	}
}

// A hub that .NET made and runs, driven from the command line.
func TestPeerHub(t *testing.T) {
	t.Parallel()
	command := strings.Fields(testkit.Peer(t))
	d := newDeskWithoutHub(t)
	peer := exec.Command(command[0], append(command[1:], "worker", "--conn", d.conn, "--hub", d.name, "--mode", "table", "--seconds", "600", "--maxpoll", "500")...)
	peer.Stdout, peer.Stderr = nil, nil
	if err := peer.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = peer.Process.Kill()
		_ = peer.Wait()
	})
	for end := time.Now().Add(patience); ; time.Sleep(500 * time.Millisecond) {
		if o := d.do("health"); o.status == exitOK {
			o.wantOut(t, "Partition manager table", "1 worker.")
			break
		} else if time.Now().After(end) {
			t.Fatalf("the worker does not come: %+v", o)
		}
	}
	d.ok("start", "Chain", "--id", "n-chain", "--input", "7", "--wait", "--timeout", "2m").wantOut(t, "Completed", "91")
	// A start that says which trace it belongs to.
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	if _, err := d.hub().Client().Start(t.Context(), durable.StartRequest{Name: "Empty", InstanceID: "n-traced", Input: history.String(`"x"`)}, taskhub.WithTrace(trace, "a=1")); err != nil {
		t.Fatal(err)
	}
	d.ok("wait", "n-traced", "--timeout", "2m").wantOut(t, "done x")
	d.ok("history", "n-traced", "-o", "json").wantOut(t, trace)
	d.ok("purge", "n-traced")
	d.ok("start", "Approval", "--id", "n-approval", "--input", "600000")
	d.await("n-approval", history.Running)
	if in := d.get("n-approval"); string(in.CustomStatus) != `"waiting"` {
		t.Errorf("custom status %s", in.CustomStatus)
	}
	d.ok("suspend", "n-approval")
	d.await("n-approval", history.Suspended)
	d.ok("resume", "n-approval")
	d.await("n-approval", history.Running)
	d.ok("raise", "n-approval", "Approval", "--data", `"yes"`)
	if in := d.await("n-approval", history.Completed); string(in.Output) != `"approved: yes"` {
		t.Errorf("output %s", in.Output)
	}
	d.ok("start", "WaitForever", "--id", "n-forever")
	d.await("n-forever", history.Running)
	d.ok("terminate", "n-forever", "--reason", "enough", "--wait", "--timeout", "2m").wantOut(t, "enough")
	if o := d.do("start", "FailsHard", "--id", "n-fails", "--input", `"boom"`, "--wait", "--timeout", "2m"); o.status != exitUnsuccess || !strings.Contains(o.out, "boom") {
		t.Errorf("%+v", o)
	}
	d.ok("rewind", "n-fails")
	if o := d.do("wait", "n-fails", "--timeout", "2m"); o.status != exitUnsuccess {
		t.Errorf("%+v", o)
	}
	ids, lines := exported(t, d.ok("export").out)
	if len(ids) != 4 {
		t.Errorf("%v", ids)
	}
	for i, line := range lines {
		if events, err := history.UnmarshalExport(line["history"]); err != nil || len(events) == 0 {
			t.Errorf("%s: %d events, %v", ids[i], len(events), err)
		}
	}
	d.ok("purge", "n-chain").wantOut(t, "Purged")
	var done purgedJSON
	if d.parse(d.ok("purge-history", "--all", "-o", "json"), &done); done.Instances != 3 {
		t.Errorf("%+v", done)
	}
	if o := d.do("list"); o.out != "" {
		t.Errorf("left: %s", o.out)
	}
	var hub hubShowJSON
	if d.parse(d.account.do(t, "hub", "show", d.name, "-o", "json"), &hub); hub.PartitionManager != "table" || len(hub.Workers) != 1 || hub.Fleet != "" {
		t.Errorf("%+v", hub)
	}
}
