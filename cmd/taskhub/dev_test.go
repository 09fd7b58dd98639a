package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/go-taskhub/taskhub/emulator"
)

const freePorts = "--blob-port=0 --queue-port=0 --table-port=0 --api-port=0"

// dev is the command line of embedded storage in a directory, on free ports where nothing else is said.
func dev(dir string, flags ...string) []string {
	return append(append([]string{"dev", "--dir", dir}, strings.Fields(freePorts)...), flags...)
}

func TestDevTextOnCustomaryPorts(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"127.0.0.1", "0.0.0.0", "[::]"} {
		addresses := [services]string{host + ":10000", host + ":10001", host + ":10002"}
		text := devText("/srv/shop", "the connection string", addresses, "127.0.0.1:7071")
		for _, want := range []string{
			"/srv/shop\n", "blob   http://" + host + ":10000/devstoreaccount1\n", "  the connection string\n",
			"export AzureWebJobsStorage=UseDevelopmentStorage=true\n", "Storage Explorer finds it by itself", "http://127.0.0.1:7071/ in a browser", "Ctrl-C",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", host, want, text)
			}
		}
	}
}

func TestDevTextElsewhere(t *testing.T) {
	t.Parallel()
	for _, addresses := range [][services]string{
		{"127.0.0.1:10000", "127.0.0.1:10001", "127.0.0.1:10003"},
		{"127.0.0.2:10000", "127.0.0.2:10001", "127.0.0.2:10002"},
		{"[::1]:10000", "[::1]:10001", "[::1]:10002"},
	} {
		text := devText("/srv/shop", "the connection string", addresses, "127.0.0.1:7071")
		if !strings.Contains(text, "UseDevelopmentStorage=true does not lead here") || !strings.Contains(text, "Storage account or service") ||
			strings.Contains(text, "export") {
			t.Errorf("%v:\n%s", addresses, text)
		}
	}
}

func TestDevDirectoryErrors(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		do(t, dev(dir)...).wantError(t, exitFailure, dir, "a file is in the way", "--dir")
	}
	missing := filepath.Join(t.TempDir(), "mistyped")
	do(t, dev(filepath.Join(missing, "below"))...).wantError(t, exitFailure, "there is no directory", missing, "check the path")
	held := t.TempDir()
	server, err := emulator.New(emulator.Config{Dir: held})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	do(t, dev(held)...).wantError(t, exitFailure, held, fmt.Sprintf("in use by process %d", os.Getpid()), "--dir")

	damaged := t.TempDir()
	damage(t, damaged)
	do(t, dev(damaged)...).wantError(t, exitFailure, damaged, "move the directory away", "--dir")
}

func TestDevUnwritable(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("needs a user who is not root: root may write to every directory")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{dir, filepath.Join(dir, "below")} {
		do(t, dev(d)...).wantError(t, exitFailure, d, "may not write", "permission denied", "--dir")
	}
}

// What the system says when root, too, may not write.
func TestDirectoryErrorTexts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want string
	}{
		{syscall.EACCES, "may not write to directory"},
		{syscall.EPERM, "may not write to directory"},
		{syscall.EROFS, "cannot use directory"},
		{syscall.ENOSPC, "cannot use directory"},
		{&emulator.VersionError{Dir: "/srv/shop"}, "use the taskhub that wrote it"},
	} {
		err := (&devOptions{}).directoryError("/srv/shop", fmt.Errorf("emulator: %w", &os.PathError{Op: "mkdir", Path: "/srv/shop", Err: test.err}))
		if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "/srv/shop") || !strings.HasSuffix(err.Error(), "choose another directory with --dir") {
			t.Errorf("%v: %v", test.err, err)
		}
	}
}

func TestDevPortInUse(t *testing.T) {
	t.Parallel()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	_, port, err := net.SplitHostPort(socket.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, service := range serviceNames() {
		flag := "--" + service + "-port"
		do(t, dev(t.TempDir(), flag, port)...).wantError(t, exitFailure, "the "+service+" service cannot listen on 127.0.0.1:"+port, "in use", "Azurite", flag)
	}
}

func TestDevHostErrors(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"192.0.2.1":    `"192.0.2.1" is no address of this machine`,
		"127.0.0.1:80": `"127.0.0.1:80" is no address to listen on`,
	} {
		do(t, dev(t.TempDir(), "--host", host)...).wantError(t, exitFailure, want, "--host")
	}
}

func TestListenErrorTexts(t *testing.T) {
	t.Parallel()
	o := &devOptions{host: "127.0.0.1", ports: [services]int{80, 81, 82}}
	refusal := func(err error) error {
		return &emulator.ListenError{Service: "queue", Address: "127.0.0.1:81", Err: &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", err)}}
	}
	for _, test := range []struct {
		err  error
		want string
	}{
		{refusal(syscall.EACCES), "the queue service may not listen on 127.0.0.1:81 (permission denied): choose another port with --queue-port"},
		{refusal(errWindowsAddressInUse), "the queue service cannot listen on 127.0.0.1:81: the port is in use"},
		{refusal(syscall.EMFILE), "the queue service cannot listen on 127.0.0.1:81 (too many open files)"},
		{errors.New("anything"), "the blob service cannot listen on 127.0.0.1:80 (anything)"},
	} {
		if err := o.listenError(test.err); !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: %v, want %s", test.err, err, test.want)
		}
	}
}

// Who lets others in is told what that means.
func TestDevOnEveryAddress(t *testing.T) {
	t.Parallel()
	d := startDev(t, "--host", "0.0.0.0")
	if conn := d.connection(t); !strings.Contains(conn, "BlobEndpoint=http://127.0.0.1:") {
		t.Errorf("connection string %q", conn)
	}
	d.stop(t)
	if text := d.err.String(); !strings.Contains(text, "warning") || !strings.Contains(text, "key is public") {
		t.Errorf("stderr %q", text)
	}
}

func TestDevInProcess(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	a := newAccount(d.connection(t))
	a.do(t, "hub", "create", "Orders").wantSuccess(t)
	do(t, dev(d.dir)...).wantError(t, exitFailure, "in use by process "+strconv.Itoa(os.Getpid()))
	rest := d.stop(t)
	if text := d.err.String(); text != "" {
		t.Errorf("stderr %q", text)
	}
	if !strings.Contains(rest, "Stopped. The data is in "+d.dir) {
		t.Errorf("at the end: %q", rest)
	}
	if o := do(t, "hub", "list", "--conn", "embedded:"+d.dir); !strings.Contains(o.out, "Orders") {
		t.Errorf("%+v", o)
	}
}

// Somebody who closes the output is not served further.
func TestDevCannotWrite(t *testing.T) {
	t.Parallel()
	var err strings.Builder
	broken := world{out: writerFunc(func([]byte) (int, error) { return 0, errors.New("the disk is full") }), err: &err}
	if got := run(t.Context(), dev(t.TempDir()), broken); got != exitFailure || !strings.Contains(err.String(), "the disk is full") {
		t.Errorf("status %d, %q", got, err.String())
	}
}

// runningDev is taskhub dev in this process.
type runningDev struct {
	dir    string
	out    *lines
	err    strings.Builder // read it after stop
	cancel context.CancelFunc
	status chan int
}

func startDev(t *testing.T, flags ...string) *runningDev {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	d := &runningDev{dir: t.TempDir(), out: newLines(), cancel: cancel, status: make(chan int, 1)}
	w := world{out: d.out, err: &d.err}
	go func() {
		d.status <- run(ctx, dev(d.dir, flags...), w)
		d.out.Close()
	}()
	t.Cleanup(d.cancel)
	return d
}

func (d *runningDev) connection(t *testing.T) string {
	t.Helper()
	return d.out.connection(t)
}

// stop ends it as Ctrl-C does, and returns what it writes then.
func (d *runningDev) stop(t *testing.T) string {
	t.Helper()
	d.cancel()
	rest := d.out.rest(t)
	if got := <-d.status; got != exitOK {
		t.Errorf("status %d, stderr %q", got, d.err.String())
	}
	return rest
}
