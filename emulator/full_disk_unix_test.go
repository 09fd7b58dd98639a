//go:build unix

package emulator_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"

	"github.com/go-taskhub/taskhub/emulator"
)

// fullVariable names the directory on which this test binary, started as a
// child, writes until its files may not grow any more.
const fullVariable = "TASKHUB_EMULATOR_FULL_DIR"

const fullLimit = 256 << 10

// TestFullDisk runs a child whose files cannot grow beyond a limit, which is to
// a server what a full disk is: it stops by itself and says so, and everything
// that was acknowledged is there afterwards.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), fullVariable+"="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	var acknowledged int
	if _, err := fmt.Sscanf(string(out), "acknowledged %d", &acknowledged); err != nil || acknowledged < 10 {
		t.Fatalf("the child said %q", out)
	}
	s := newServer(t, crashConfig(dir))
	c := newClients(t, s.ConnectionString(), s.Transport())
	for n := range acknowledged {
		got, err := c.blobs.DownloadStream(t.Context(), "things", fmt.Sprint(n), nil)
		if err != nil {
			t.Fatalf("blob %d of %d: %v", n, acknowledged, err)
		}
		_ = got.Body.Close()
	}
}

func fullChild(dir string) int {
	if err := writeUntilFull(dir); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func writeUntilFull(dir string) error {
	signal.Ignore(syscall.SIGXFSZ)
	limit := syscall.Rlimit{Cur: fullLimit, Max: fullLimit}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	config := crashConfig(dir)
	config.MinCompaction = 1 << 30
	s, err := emulator.New(config)
	if err != nil {
		return err
	}
	c := newClients(childTB{}, s.ConnectionString(), s.Transport())
	ctx := context.Background()
	if _, err := c.blobs.CreateContainer(ctx, "things", nil); err != nil {
		return err
	}
	put := func(n int) error {
		_, err := c.blobs.ServiceClient().NewContainerClient("things").NewBlockBlobClient(fmt.Sprint(n)).
			Upload(ctx, streaming.NopCloser(strings.NewReader(strings.Repeat("x", 5000))), nil)
		return err
	}
	n := 0
	for ; n < fullLimit/5000+1; n++ {
		if err = put(n); err != nil {
			break
		}
	}
	if !hasCode(err, "InternalError") || !strings.Contains(err.Error(), "cannot write to its directory") {
		return fmt.Errorf("the first refusal after %d blobs: %w", n, err)
	}
	if err := stopped(s, dir); err != nil {
		return err
	}
	if err := put(n); !hasCode(err, "InternalError") {
		return fmt.Errorf("a request after the failure: %w", err)
	}
	if _, err := c.blobs.DownloadStream(ctx, "things", fmt.Sprint(n), nil); !hasCode(err, "InternalError") {
		return fmt.Errorf("what never reached the disk is shown: %w", err)
	}
	var failed *emulator.DiskError
	if err := s.Close(); !errors.As(err, &failed) {
		return fmt.Errorf("closing: %w", err)
	}
	fmt.Println("acknowledged", n)
	return nil
}

// stopped checks that a server says what became of its directory.
func stopped(s *emulator.Server, dir string) error {
	select {
	case <-s.Failed():
	case <-time.After(time.Minute):
		return errors.New("the server does not say that it has failed")
	}
	var failed *emulator.DiskError
	if err := s.Err(); !errors.As(err, &failed) || failed.Dir != dir || !errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("the server says %w", err)
	}
	return nil
}
