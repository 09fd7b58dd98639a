package emulator

import (
	"testing"
	"time"

	"github.com/go-taskhub/taskhub/emulator/internal/blobs"
	"github.com/go-taskhub/taskhub/emulator/internal/codec"
	"github.com/go-taskhub/taskhub/emulator/internal/queues"
	"github.com/go-taskhub/taskhub/emulator/internal/rest"
	"github.com/go-taskhub/taskhub/emulator/internal/service"
	"github.com/go-taskhub/taskhub/emulator/internal/tables"
)

// FuzzRecord applies damaged records: an error is fine, a panic is not.
func FuzzRecord(f *testing.F) {
	ids, err := rest.NewIDs(nil)
	if err != nil {
		f.Fatal(err)
	}
	account := "\x10devstoreaccount1"
	for kind := byte(1); kind < 10; kind++ {
		for service := range byte(3) {
			f.Add(service, []byte{kind, 0, 0, 0, 0, 0})
			f.Add(service, []byte(string(kind)+account+"\x03abc\x01\x02xy\x00\x00\x00"))
		}
	}
	f.Fuzz(func(_ *testing.T, which byte, rec []byte) {
		env := &service.Env{Clock: rest.NewClock(time.Now), IDs: ids, Accounts: []string{DevelopmentAccount}}
		stores := [...]service.Backend{blobs.New(env), queues.New(env), tables.New(env)}
		b := stores[int(which)%len(stores)]
		if b.Apply(codec.NewReader(rec)) != nil {
			return
		}
		if b.Loaded() == nil {
			_ = b.Snapshot(func([]byte) error { return nil })
		}
	})
}
