package payloads_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/internal/testkit"
	"github.com/go-taskhub/taskhub/payloads"
	"github.com/go-taskhub/taskhub/storage"
)

func newNames(t testing.TB) layout.Names {
	t.Helper()
	names, err := layout.NewNames(testkit.Hub(t))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func newStore(t testing.TB, account *storage.Account, options ...payloads.Option) *payloads.Store {
	t.Helper()
	return payloads.New(account, newNames(t), options...)
}

// raw writes a blob as it is.
func raw(t *testing.T, account *storage.Account, names layout.Names, name string, content []byte) {
	t.Helper()
	_, err := account.Blobs().UploadBuffer(t.Context(), names.LargeMessageContainer(), name, content, nil)
	if err != nil {
		t.Fatal(storage.Explain(err, "upload"))
	}
}

func compress(t *testing.T, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func random(t testing.TB, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWriteAndRead(t *testing.T) {
	t.Parallel()
	account := testkit.Account(t)
	store := newStore(t, account)
	for _, c := range []struct {
		name string
		text []byte
	}{
		{"order-42/message-5406d36943694673afae6671a2fa1e57-ExecutionStarted.json.gz", []byte(`{"a":"ü"}`)},
		{"empty/history-0000000000000001-TaskCompleted-00000001-Result.json.gz", nil},
		{"o'brien 50%/history--Input-7FFFFFFF-Input.json.gz", bytes.Repeat([]byte("i"), 300_000)},
		{"^À日本😀@x:1/message-1-EventRaised.json.gz", random(t, 100_000)},
		{"a/b/message-1-EventRaised.json.gz", []byte("slash")},
		{"a#b?c\\d/message-1-EventRaised.json.gz", []byte("reserved")},
		{"\x01\u0085/message-1-EventRaised.json.gz", []byte("control")},
		{"../message-1-EventRaised.json.gz", []byte("dots")},
		{"a+b&c=d/message-1-EventRaised.json.gz", []byte("plus")},
	} {
		if err := store.Write(t.Context(), c.name, c.text); err != nil {
			t.Errorf("%q: %v", c.name, err)
			continue
		}
		if got, err := store.Read(t.Context(), c.name); err != nil || !bytes.Equal(got, c.text) {
			t.Errorf("%q: read %d bytes, %v", c.name, len(got), err)
		}
		stream, err := store.ReadStream(t.Context(), c.name)
		if err != nil {
			t.Errorf("%q: %v", c.name, err)
			continue
		}
		if got, err := io.ReadAll(stream); err != nil || !bytes.Equal(got, c.text) {
			t.Errorf("%q: streamed %d bytes, %v", c.name, len(got), err)
		}
		if err := stream.Close(); err != nil {
			t.Error(err)
		}
		if name, ok := store.NameFromURL(store.URL(c.name)); !ok || name != c.name {
			t.Errorf("%q came back from its URL as %q", c.name, name)
		}
		if err := store.Delete(t.Context(), c.name); err != nil {
			t.Error(err)
		}
		var missing *payloads.MissingError
		if _, err := store.Read(t.Context(), c.name); !errors.As(err, &missing) || missing.Blob != c.name || !storage.IsNotFound(err) {
			t.Errorf("%q after its deletion: %v", c.name, err)
		}
		if err := store.Delete(t.Context(), c.name); err != nil {
			t.Error(err)
		}
	}
}

// One Put Blob for an ordinary payload, once the container is there; blocks for a large one.
func TestRequests(t *testing.T) {
	t.Parallel()
	account := testkit.Account(t)
	store := newStore(t, account)
	calls := func(do func() error) storage.Counts {
		t.Helper()
		before := account.Counts()
		if err := do(); err != nil {
			t.Error(err)
		}
		return account.Counts().Sub(before)
	}
	first := calls(func() error { return store.Write(t.Context(), "x/message-1-A.json.gz", []byte("x")) })
	if first.Total() != 3 || first.Calls["blob.put"] != 2 || first.Calls["blob.create-container"] != 1 {
		t.Errorf("first write: %v", first.Calls)
	}
	second := calls(func() error {
		return store.Write(t.Context(), "x/message-2-A.json.gz", bytes.Repeat([]byte("abc"), 1<<20))
	})
	if second.Total() != 1 || second.Calls["blob.put"] != 1 {
		t.Errorf("second write: %v", second.Calls)
	}
	noise := random(t, 9<<20)
	large := calls(func() error { return store.Write(t.Context(), "x/message-3-A.json.gz", noise) })
	if large.Total() != 4 || large.Calls["blob.put-block"] != 3 || large.Calls["blob.put-block-list"] != 1 {
		t.Errorf("large write: %v", large.Calls)
	}
	if got, err := store.Read(t.Context(), "x/message-3-A.json.gz"); err != nil || !bytes.Equal(got, noise) {
		t.Errorf("read %d bytes: %v", len(got), err)
	}
	elsewhere := newStore(t, account)
	inBlocks := calls(func() error { return elsewhere.Write(t.Context(), "x/message-3-A.json.gz", noise) })
	if inBlocks.Calls["blob.put-block-list"] != 1 || inBlocks.Calls["blob.create-container"] == 0 {
		t.Errorf("large write without a container: %v", inBlocks.Calls)
	}
	read := calls(func() error { _, err := store.Read(t.Context(), "x/message-2-A.json.gz"); return err })
	if read.Total() != 1 || read.Calls["blob.get"] != 1 {
		t.Errorf("read: %v", read.Calls)
	}
	properties, err := account.BlobService().NewContainerClient(containerOf(store)).NewBlobClient("x/message-2-A.json.gz").GetProperties(t.Context(), nil)
	if err != nil || properties.ContentEncoding != nil && *properties.ContentEncoding != "" || *properties.ContentType != "application/octet-stream" {
		t.Errorf("headers differ from .NET's: %v, %v, %v", properties.ContentEncoding, properties.ContentType, err)
	}
}

func containerOf(store *payloads.Store) string {
	address := strings.TrimSuffix(store.URL("x"), "/x")
	return address[strings.LastIndexByte(address, '/')+1:]
}

func TestBadBlobs(t *testing.T) {
	t.Parallel()
	account := testkit.Account(t)
	names := newNames(t)
	store := payloads.New(account, names)
	if err := store.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	whole := compress(t, random(t, 50_000))
	damaged := bytes.Clone(whole)
	damaged[len(damaged)/2] ^= 0xFF
	checksum := bytes.Clone(whole)
	checksum[len(checksum)-6] ^= 0xFF
	for name, content := range map[string][]byte{
		"plain": []byte(`{"not":"compressed"}`), "empty": {}, "half": whole[:len(whole)/2], "without trailer": whole[:len(whole)-8], "half header": whole[:5],
		"damaged": damaged, "checksum": checksum, "with a tail": append(bytes.Clone(whole), "tail"...),
	} {
		blob := name + "/message-1-A.json.gz"
		raw(t, account, names, blob, content)
		var corrupt *payloads.CorruptError
		if got, err := store.Read(t.Context(), blob); !errors.As(err, &corrupt) || corrupt.Blob != blob || got != nil || !strings.Contains(err.Error(), blob) {
			t.Errorf("%s: read %d bytes, %v", name, len(got), err)
		}
		corrupt = nil
		stream, err := store.ReadStream(t.Context(), blob)
		if err == nil {
			_, err = io.Copy(io.Discard, stream)
			_ = stream.Close()
		}
		if !errors.As(err, &corrupt) || corrupt.Blob != blob {
			t.Errorf("%s: streamed: %v", name, err)
		}
	}
	// Several members are one stream, as .NET reads them.
	raw(t, account, names, "two/message-1-A.json.gz", append(compress(t, []byte("a")), compress(t, []byte("b"))...))
	if got, err := store.Read(t.Context(), "two/message-1-A.json.gz"); err != nil || string(got) != "ab" {
		t.Errorf("two members: %q, %v", got, err)
	}
	for _, read := range []func(*payloads.Store) error{
		func(s *payloads.Store) error { _, err := s.Read(t.Context(), "no/message-1-A.json.gz"); return err },
		func(s *payloads.Store) error {
			_, err := s.ReadStream(t.Context(), "no/message-1-A.json.gz")
			return err
		},
	} {
		for _, s := range []*payloads.Store{store, newStore(t, account)} {
			var missing *payloads.MissingError
			if err := read(s); !errors.As(err, &missing) || !strings.Contains(err.Error(), "no/message-1-A.json.gz") {
				t.Errorf("missing: %v", err)
			}
		}
	}
}

func TestSizeLimit(t *testing.T) {
	t.Parallel()
	account := testkit.Account(t)
	names := newNames(t)
	limited := payloads.New(account, names, payloads.WithMaxSize(1<<20))
	for _, c := range []struct {
		size int
		ok   bool
	}{{1<<20 - 1, true}, {1 << 20, true}, {1<<20 + 1, false}, {20 << 20, false}} {
		blob := fmt.Sprintf("x/message-%d-A.json.gz", c.size)
		if err := limited.Write(t.Context(), blob, make([]byte, c.size)); err != nil {
			t.Fatal(err)
		}
		got, err := limited.Read(t.Context(), blob)
		var large *payloads.TooLargeError
		if c.ok && (err != nil || len(got) != c.size) || !c.ok && (!errors.As(err, &large) || large.Limit != 1<<20 || large.Blob != blob) {
			t.Errorf("%d bytes: read %d, %v", c.size, len(got), err)
		}
	}
	// Larger already without decompressing it.
	noise := random(t, 3<<20)
	if err := limited.Write(t.Context(), "x/message-noise-A.json.gz", noise); err != nil {
		t.Fatal(err)
	}
	var large *payloads.TooLargeError
	if _, err := limited.Read(t.Context(), "x/message-noise-A.json.gz"); !errors.As(err, &large) {
		t.Errorf("noise: %v", err)
	}
	for _, option := range []payloads.Option{payloads.WithMaxSize(0), payloads.WithMaxSize(1 << 62)} {
		if got, err := payloads.New(account, names, option).Read(t.Context(), "x/message-noise-A.json.gz"); err != nil || !bytes.Equal(got, noise) {
			t.Errorf("noise without limit: %d bytes, %v", len(got), err)
		}
	}
}

// A trailer that claims four gigabytes must not make the reader allocate them.
func TestLyingTrailer(t *testing.T) {
	t.Parallel()
	account := testkit.Account(t)
	names := newNames(t)
	store := payloads.New(account, names)
	if err := store.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	lying := compress(t, []byte("x"))
	copy(lying[len(lying)-4:], "\xff\xff\xff\xff")
	raw(t, account, names, "x/message-1-A.json.gz", lying)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := store.Read(t.Context(), "x/message-1-A.json.gz")
	runtime.ReadMemStats(&after)
	var corrupt *payloads.CorruptError
	if !errors.As(err, &corrupt) {
		t.Error(err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 100<<20 {
		t.Errorf("%d bytes allocated", used)
	}
}

func TestDeleteInstance(t *testing.T) {
	t.Parallel()
	account := testkit.Account(t)
	names := newNames(t)
	store := payloads.New(account, names)
	if n, err := store.DeleteInstance(t.Context(), "x"); err != nil || n != 0 {
		t.Errorf("without a container: %d, %v", n, err)
	}
	mine := []string{
		"x#4/message-1-A.json.gz", "x#4/message-2-B.json.gz", "x^24/history-0000000000000001-TaskCompleted-00000001-Result.json.gz", "x^24/history--Input-00000001-Input.json.gz",
	}
	others := []string{
		"x#42/message-1-A.json.gz", "x#4", "x#4/b/message-1-A.json.gz", "X#4/message-1-A.json.gz", "x/message-1-A.json.gz", "x^242/history-1-A-1-R.json.gz", "x^24/0/history-1-A-1-R.json.gz", "ax#4/message-1-A.json.gz",
	}
	for _, name := range append(append([]string{}, mine...), others...) {
		if err := store.Write(t.Context(), name, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	for _, nothing := range []string{"", "y", "x#", "/"} {
		if n, err := store.DeleteInstance(t.Context(), nothing); err != nil || n != 0 {
			t.Errorf("%q: %d, %v", nothing, n, err)
		}
	}
	if n, err := store.DeleteInstance(t.Context(), "x#4"); err != nil || n != len(mine) {
		t.Errorf("deleted %d, %v", n, err)
	}
	left := map[string]bool{}
	pager := account.BlobService().NewContainerClient(names.LargeMessageContainer()).NewListBlobsFlatPager(&container.ListBlobsFlatOptions{})
	for pager.More() {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Segment.BlobItems {
			left[*item.Name] = true
		}
	}
	for _, name := range others {
		if !left[name] {
			t.Errorf("%s is gone", name)
		}
	}
	if len(left) != len(others) {
		t.Errorf("left are %v", left)
	}
	if err := store.DeleteContainer(t.Context()); err != nil {
		t.Error(err)
	}
	if err := store.DeleteContainer(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestURL(t *testing.T) {
	t.Parallel()
	account, err := storage.Open(storage.Config{ConnectionString: "AccountName=acct;AccountKey=a2V5"})
	if err != nil {
		t.Fatal(err)
	}
	names, err := layout.NewNames("MyHub")
	if err != nil {
		t.Fatal(err)
	}
	store := payloads.New(account, names)
	const base = "https://acct.blob.core.windows.net/myhub-largemessages/"
	for _, c := range []struct{ name, url string }{
		{"order-42/message-5406d36943694673afae6671a2fa1e57-ExecutionStarted.json.gz", base + "order-42/message-5406d36943694673afae6671a2fa1e57-ExecutionStarted.json.gz"},
		{"@Counter@k:1/history-0-A-0-R.json.gz", base + "%40Counter%40k%3A1/history-0-A-0-R.json.gz"},
		{"a b+c~d_e.f'g(h)!*/x", base + "a%20b%2Bc~d_e.f%27g%28h%29%21%2A/x"},
		{"ü日/x", base + "%C3%BC%E6%97%A5/x"},
	} {
		if got := store.URL(c.name); got != c.url {
			t.Errorf("URL of %s is %s, want %s", c.name, got, c.url)
		}
		if got, ok := store.NameFromURL(c.url); !ok || got != c.name {
			t.Errorf("%s names %q", c.url, got)
		}
	}
	for _, c := range []struct{ url, name string }{
		{"http://127.0.0.1:20000/devstoreaccount1/myhub-largemessages/large-input-100k/history-0000000000000001-ExecutionStarted-073CE5AE-Input.json.gz",
			"large-input-100k/history-0000000000000001-ExecutionStarted-073CE5AE-Input.json.gz"},
		{"https://acct.privatelink.blob.core.windows.net/myhub-largemessages/a%2Fb/message-1-A.json.gz", "a/b/message-1-A.json.gz"},
		{"https://acct.blob.core.windows.net/other-largemessages/x/message-1-A.json.gz", ""},
		{"https://example.org/myhub-largemessages/index.html", ""},
		{"https://example.org/myhub-largemessages/message-1.json.gz", ""},
		{base, ""},
		{base + "x?sv=1", ""},
		{base + "%zz", ""},
		{"https://acct.blob.core.windows.net", ""},
		{"urn:foo", ""},
		{"", ""},
		{`{"a":"` + base + `x"}`, ""},
	} {
		if got, ok := store.NameFromURL(c.url); ok != (c.name != "") || ok && got != c.name {
			t.Errorf("%s names %q, %v", c.url, got, ok)
		}
	}
}

// breaking cuts the first answers to downloads short.
type breaking struct {
	mu    sync.Mutex
	cuts  int
	after int
}

func (b *breaking) Do(req *http.Request) (*http.Response, error) {
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil && req.Method == http.MethodGet && b.cuts > 0 {
		b.cuts--
		resp.Body = &cut{ReadCloser: resp.Body, left: b.after}
	}
	return resp, err
}

type cut struct {
	io.ReadCloser
	left int
}

func (c *cut) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := c.ReadCloser.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

func TestBrokenDownloads(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cuts, after int
		ok          bool
	}{{1, 1000, true}, {3, 0, true}, {100, 1000, true}, {100, 0, false}} {
		account := testkit.Open(t, storage.Config{Transport: &breaking{cuts: c.cuts, after: c.after}})
		store := newStore(t, account)
		text := random(t, 200_000)
		if err := store.Write(t.Context(), "x/message-1-A.json.gz", text); err != nil {
			t.Fatal(err)
		}
		got, err := store.Read(t.Context(), "x/message-1-A.json.gz")
		if c.ok && (err != nil || !bytes.Equal(got, text)) {
			t.Errorf("%d breaks: %d bytes, %v", c.cuts, len(got), err)
		}
		var corrupt *payloads.CorruptError
		if !c.ok && (!storage.IsUnreachable(err) || errors.As(err, &corrupt) || !strings.Contains(err.Error(), "x/message-1-A.json.gz")) {
			t.Errorf("%d breaks: %v", c.cuts, err)
		}
	}
}

type failingReader struct{ after int }

var errSource = errors.New("source broke")

func (f *failingReader) Read(p []byte) (int, error) {
	if f.after <= 0 {
		return 0, errSource
	}
	n := min(len(p), f.after)
	_, _ = rand.Read(p[:n])
	f.after -= n
	return n, nil
}

// A write that fails on the way leaves nothing to read.
func TestFailedWrites(t *testing.T) {
	t.Parallel()
	account := testkit.Account(t)
	store := newStore(t, account)
	for _, size := range []int{0, 1000, 10 << 20} {
		if err := store.WriteStream(t.Context(), "x/message-1-A.json.gz", &failingReader{after: size}); !errors.Is(err, errSource) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, size := range []int{10, 10 << 20} {
		if err := store.Write(ctx, "x/message-1-A.json.gz", random(t, size)); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled, %d bytes: %v", size, err)
		}
	}
	var missing *payloads.MissingError
	if _, err := store.Read(t.Context(), "x/message-1-A.json.gz"); !errors.As(err, &missing) {
		t.Error(err)
	}
}

// A hundred mebibytes that hardly compress go through without being held several times.
func TestVeryLarge(t *testing.T) {
	account := testkit.Account(t)
	store := newStore(t, account)
	const size = largeSize
	chunk := random(t, 1<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := store.WriteStream(t.Context(), "x/message-1-A.json.gz", io.LimitReader(&repeating{chunk: chunk}, size)); err != nil {
		t.Fatal(err)
	}
	stream, err := store.ReadStream(t.Context(), "x/message-1-A.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	piece := make([]byte, len(chunk))
	for i := range size / len(chunk) {
		if _, err := io.ReadFull(stream, piece); err != nil || !bytes.Equal(piece, chunk) {
			t.Fatalf("piece %d differs: %v", i, err)
		}
	}
	if n, err := stream.Read(piece); n != 0 || err != io.EOF {
		t.Errorf("after the end: %d, %v", n, err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 80<<20 && size > 80<<20 && !testkit.InProcess() {
		t.Errorf("%d MiB allocated for a stream of %d MiB", used>>20, size>>20)
	}
	text, err := store.Read(t.Context(), "x/message-1-A.json.gz")
	if err != nil || len(text) != size {
		t.Errorf("read %d bytes: %v", len(text), err)
	}
}

type repeating struct {
	chunk []byte
	at    int
}

func (r *repeating) Read(p []byte) (int, error) {
	n := copy(p, r.chunk[r.at:])
	r.at = (r.at + n) % len(r.chunk)
	return n, nil
}

func BenchmarkWriteRead(b *testing.B) {
	account := testkit.Account(b)
	store := newStore(b, account)
	text := bytes.Repeat([]byte(`{"name":"value","number":12345},`), 100<<10/32)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if err := store.Write(b.Context(), "x/message-1-A.json.gz", text); err != nil {
			b.Fatal(err)
		}
		if _, err := store.Read(b.Context(), "x/message-1-A.json.gz"); err != nil {
			b.Fatal(err)
		}
	}
}
