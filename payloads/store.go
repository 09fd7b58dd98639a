package payloads

import (
	"compress/gzip"
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/storage"
)

const (
	// MessageThreshold is the size of a message's JSON, in UTF-8 bytes, beyond which DurableTask.AzureStorage 2.9 puts it
	// into a blob.
	MessageThreshold = 45 << 10

	// PropertyThreshold is the length of a table column's text, in UTF-16 code units, beyond which DurableTask.AzureStorage
	// 2.9 puts it into a blob.
	PropertyThreshold = 30 << 10

	// DefaultMaxSize is the largest text that a Store reads unless told otherwise, in bytes.
	DefaultMaxSize = 256 << 20
)

// Option changes a setting of a [Store].
type Option interface{ apply(*Store) }

type maxSize int64

func (o maxSize) apply(s *Store) {
	const beyondAnyMemory = 1 << 40
	s.maxSize = min(int64(o), beyondAnyMemory)
}

// WithMaxSize limits the size, in bytes after decompression, of what the Store reads; larger blobs are a
// [*TooLargeError]. It protects against a small blob that decompresses to more than the memory holds. Defaults to
// [DefaultMaxSize]; values below 1 mean the default.
func WithMaxSize(bytes int64) Option { return maxSize(bytes) }

// Store reads and writes the large payloads of a hub. It is safe for concurrent use.
type Store struct {
	containerName string
	containerURL  string
	container     *container.Client
	maxSize       int64
	compressors   sync.Pool // *gzip.Writer
	buffers       sync.Pool // *bytes.Buffer
}

// New returns the store of a hub's large payloads. It makes no request.
func New(account *storage.Account, names layout.Names, options ...Option) *Store {
	name := names.LargeMessageContainer()
	s := &Store{
		containerName: name,
		containerURL:  account.BlobEndpoint() + "/" + name,
		container:     account.BlobService().NewContainerClient(name),
	}
	for _, o := range options {
		o.apply(s)
	}
	if s.maxSize < 1 {
		s.maxSize = DefaultMaxSize
	}
	return s
}

// Create makes the container unless it is there. Writing does that, too, when it is needed.
func (s *Store) Create(ctx context.Context) error {
	_, err := s.container.Create(ctx, nil)
	if storage.HasCode(err, storage.CodeContainerAlreadyExists) {
		return nil
	}
	return storage.Explain(err, fmt.Sprintf("create container %s", s.containerName))
}

// DeleteContainer deletes the container with all payloads; a missing one is no error.
func (s *Store) DeleteContainer(ctx context.Context) error {
	_, err := s.container.Delete(ctx, nil)
	if storage.IsNotFound(err) {
		return nil
	}
	return storage.Explain(err, fmt.Sprintf("delete container %s", s.containerName))
}

// URL returns the address of a blob in the form in which .NET stores it in the Instances table: every byte of the
// name but letters, digits and - _ . ~ percent-encoded, slashes kept.
func (s *Store) URL(name string) string {
	segments := strings.Split(name, "/")
	for i, segment := range segments {
		segments[i] = strings.ReplaceAll(url.QueryEscape(segment), "+", "%20")
	}
	return s.containerURL + "/" + strings.Join(segments, "/")
}

// NameFromURL returns the name of the blob that a text from the Instances table refers to, and false for other texts.
// The host need not be the one this process uses, as the same account may be reached under several; then only names
// that a payload can have are recognised.
func (s *Store) NameFromURL(text string) (string, bool) {
	if !strings.HasPrefix(text, "http://") && !strings.HasPrefix(text, "https://") {
		return "", false
	}
	if rest, ok := strings.CutPrefix(text, s.containerURL+"/"); ok {
		return unescapeName(rest)
	}
	u, err := url.Parse(text)
	if err != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", false
	}
	_, rest, ok := strings.Cut(u.EscapedPath(), "/"+s.containerName+"/")
	if !ok {
		return "", false
	}
	name, ok := unescapeName(rest)
	return name, ok && isPayloadName(name)
}

func unescapeName(escaped string) (string, bool) {
	name, err := url.PathUnescape(escaped)
	return name, err == nil && name != "" && !strings.ContainsAny(escaped, "?#")
}

// isPayloadName tells the names made by layout.MessageBlobName and layout.HistoryBlobName.
func isPayloadName(name string) bool {
	i := strings.LastIndexByte(name, '/')
	file := name[i+1:]
	return i > 0 && strings.HasSuffix(file, ".json.gz") && (strings.HasPrefix(file, "message-") || strings.HasPrefix(file, "history-"))
}

// compressionLevel makes blobs a little larger than .NET's level Optimal does, in a fraction of the time.
const compressionLevel = gzip.BestSpeed

// MissingError says that a blob is not there: it was purged, or never written.
type MissingError struct {
	Blob string // the blob's name
	Err  error  // the service's answer
}

// Error implements error.
func (e *MissingError) Error() string {
	return fmt.Sprintf("the large payload %s does not exist: the instance was purged meanwhile, or the blob was deleted from outside", e.Blob)
}

// Unwrap returns the service's answer.
func (e *MissingError) Unwrap() error { return e.Err }

// CorruptError says that a blob's content is not the gzip stream that it should be.
type CorruptError struct {
	Blob string // the blob's name
	Err  error  // what is wrong with the content
}

// Error implements error.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("the large payload %s cannot be decompressed: %v; the blob was written incompletely or changed from outside", e.Blob, e.Err)
}

// Unwrap returns what is wrong with the content.
func (e *CorruptError) Unwrap() error { return e.Err }

// TooLargeError says that a blob decompresses to more than the Store accepts.
type TooLargeError struct {
	Blob  string // the blob's name
	Limit int64  // the most that is accepted, in bytes
}

// Error implements error.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the large payload %s has more than %d bytes; raise the limit if it is meant to", e.Blob, e.Limit)
}
