package leases

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"

	"github.com/go-taskhub/taskhub/storage"
)

// blobInfo is what a listing or a HEAD tells about a blob.
type blobInfo struct {
	name   string
	etag   string // without quotes
	leased bool
	// modified is when its content was last written, by the service's clock.
	modified time.Time
}

// blobStore is a container with leases on its blobs and on itself. Errors are of the kinds errTaken, errMissing,
// errExists and errNoStore where they apply.
type blobStore interface {
	create(ctx context.Context) error                 // the container; no error when it exists
	remove(ctx context.Context, leaseID string) error // the container; no error when it does not exist
	list(ctx context.Context) ([]blobInfo, error)     // all blobs
	head(ctx context.Context, name string) (blobInfo, error)
	read(ctx context.Context, name string) (text []byte, etag string, err error)
	add(ctx context.Context, name string, text []byte) error // errExists when the blob exists
	write(ctx context.Context, name string, text []byte, leaseID string) (etag string, err error)
	// exchange is write under the condition that the blob has the given etag.
	exchange(ctx context.Context, name string, text []byte, leaseID, etag string) (newETag string, err error)

	// In the lease operations an empty name stands for the container, and a negative duration for ever. Acquiring a lease
	// that is held with the same id gives it the new duration.
	acquire(ctx context.Context, name, leaseID string, d time.Duration) error
	change(ctx context.Context, name, from, to string) error
	renew(ctx context.Context, name, leaseID string) (etag string, err error) // the blob's
	release(ctx context.Context, name, leaseID string) error
	// breakLease ends a lease without its id. No error when there is none.
	breakLease(ctx context.Context, name string) error
}

// azureBlobs is a blobStore on the Blob service.
type azureBlobs struct {
	container *container.Client
	name      string
}

func newAzureBlobs(account *storage.Account, name string) *azureBlobs {
	return &azureBlobs{container: account.BlobService().NewContainerClient(name), name: name}
}

// maxRecord bounds what is read of a lease blob or info blob; .NET writes less than 1 KiB.
const maxRecord = 64 << 10

func (s *azureBlobs) create(ctx context.Context) error {
	_, err := s.container.Create(ctx, nil)
	if storage.HasCode(err, storage.CodeContainerAlreadyExists) {
		return nil
	}
	return s.fail(err, "create container", "")
}

func (s *azureBlobs) remove(ctx context.Context, leaseID string) error {
	options := &container.DeleteOptions{}
	if leaseID != "" {
		options.AccessConditions = &container.AccessConditions{LeaseAccessConditions: &container.LeaseAccessConditions{LeaseID: &leaseID}}
	}
	_, err := s.container.Delete(ctx, options)
	if storage.IsNotFound(err) {
		return nil
	}
	return s.fail(err, "delete container", "")
}

func (s *azureBlobs) list(ctx context.Context) ([]blobInfo, error) {
	var found []blobInfo
	pager := s.container.NewListBlobsFlatPager(nil)
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, s.fail(err, "list", "")
		}
		if page.Segment == nil {
			continue
		}
		for _, item := range page.Segment.BlobItems {
			if item == nil || item.Name == nil || item.Properties == nil {
				continue
			}
			found = append(found, blobInfo{
				name: *item.Name, etag: plainETag(item.Properties.ETag), leased: isLeased(item.Properties.LeaseState),
				modified: orZero(item.Properties.LastModified),
			})
		}
	}
	return found, nil
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

func (s *azureBlobs) head(ctx context.Context, name string) (blobInfo, error) {
	props, err := s.container.NewBlobClient(name).GetProperties(ctx, nil)
	if err != nil {
		return blobInfo{}, s.fail(err, "look at", name)
	}
	return blobInfo{name: name, etag: plainETag(props.ETag), leased: isLeased(props.LeaseState), modified: orZero(props.LastModified)}, nil
}

func (s *azureBlobs) read(ctx context.Context, name string) (text []byte, etag string, err error) {
	resp, err := s.container.NewBlobClient(name).DownloadStream(ctx, nil)
	if err != nil {
		return nil, "", s.fail(err, "read", name)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err = io.ReadAll(io.LimitReader(resp.Body, maxRecord))
	if err != nil {
		return nil, "", s.fail(err, "read", name)
	}
	return text, plainETag(resp.ETag), nil
}

func (s *azureBlobs) add(ctx context.Context, name string, text []byte) error {
	absent := azcore.ETagAny
	_, err := s.upload(ctx, name, text, &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: &absent}})
	if storage.IsConflict(err) || storage.IsPreconditionFailed(err) {
		if !storage.HasCode(err, storage.CodeContainerBeingDeleted) {
			return &kindError{errExists, err}
		}
	}
	return s.fail(err, "create", name)
}

func (s *azureBlobs) write(ctx context.Context, name string, text []byte, leaseID string) (string, error) {
	etag, err := s.upload(ctx, name, text, underLease(leaseID))
	return etag, s.fail(err, "write", name)
}

func (s *azureBlobs) exchange(ctx context.Context, name string, text []byte, leaseID, etag string) (string, error) {
	conditions, match := underLease(leaseID), azcore.ETag(`"`+etag+`"`)
	conditions.ModifiedAccessConditions = &blob.ModifiedAccessConditions{IfMatch: &match}
	changed, err := s.upload(ctx, name, text, conditions)
	return changed, s.fail(err, "write", name)
}

func underLease(leaseID string) *blob.AccessConditions {
	conditions := &blob.AccessConditions{}
	if leaseID != "" {
		conditions.LeaseAccessConditions = &blob.LeaseAccessConditions{LeaseID: &leaseID}
	}
	return conditions
}

// upload writes a block blob in one request. The content type is the one that .NET's client sends.
func (s *azureBlobs) upload(ctx context.Context, name string, text []byte, conditions *blob.AccessConditions) (string, error) {
	contentType := "application/octet-stream"
	resp, err := s.container.NewBlockBlobClient(name).Upload(ctx, streaming.NopCloser(bytes.NewReader(text)), &blockblob.UploadOptions{
		HTTPHeaders:      &blob.HTTPHeaders{BlobContentType: &contentType},
		AccessConditions: conditions,
	})
	return plainETag(resp.ETag), err
}

func (s *azureBlobs) acquire(ctx context.Context, name, leaseID string, d time.Duration) error {
	seconds := int32(d / time.Second) // 15 to 60, checked by Config
	if d < 0 {
		seconds = -1
	}
	return s.lease("acquire the lease of", name, leaseID,
		func(l *lease.BlobClient) error { _, err := l.AcquireLease(ctx, seconds, nil); return err },
		func(l *lease.ContainerClient) error { _, err := l.AcquireLease(ctx, seconds, nil); return err })
}

func (s *azureBlobs) change(ctx context.Context, name, from, to string) error {
	return s.lease("change the lease of", name, from,
		func(l *lease.BlobClient) error { _, err := l.ChangeLease(ctx, to, nil); return err },
		func(l *lease.ContainerClient) error { _, err := l.ChangeLease(ctx, to, nil); return err })
}

func (s *azureBlobs) renew(ctx context.Context, name, leaseID string) (etag string, err error) {
	err = s.lease("renew the lease of", name, leaseID,
		func(l *lease.BlobClient) error {
			resp, err := l.RenewLease(ctx, nil)
			etag = plainETag(resp.ETag)
			return err
		},
		func(l *lease.ContainerClient) error { _, err := l.RenewLease(ctx, nil); return err })
	return etag, err
}

func (s *azureBlobs) breakLease(ctx context.Context, name string) error {
	now := int32(0)
	err := s.lease("break the lease of", name, "",
		func(l *lease.BlobClient) error {
			_, err := l.BreakLease(ctx, &lease.BlobBreakOptions{BreakPeriod: &now})
			return err
		},
		func(l *lease.ContainerClient) error {
			_, err := l.BreakLease(ctx, &lease.ContainerBreakOptions{BreakPeriod: &now})
			return err
		})
	if errors.Is(err, errTaken) { // LeaseNotPresentWithLeaseOperation
		return nil
	}
	return err
}

func (s *azureBlobs) release(ctx context.Context, name, leaseID string) error {
	return s.lease("release the lease of", name, leaseID,
		func(l *lease.BlobClient) error { _, err := l.ReleaseLease(ctx, nil); return err },
		func(l *lease.ContainerClient) error { _, err := l.ReleaseLease(ctx, nil); return err })
}

// lease does something with the lease of a blob, or of the container when name is empty.
func (s *azureBlobs) lease(operation, name, leaseID string, onBlob func(*lease.BlobClient) error, onContainer func(*lease.ContainerClient) error) error {
	if name == "" {
		l, err := lease.NewContainerClient(s.container, &lease.ContainerClientOptions{LeaseID: &leaseID})
		if err == nil {
			err = onContainer(l)
		}
		return s.fail(err, operation, name)
	}
	l, err := lease.NewBlobClient(s.container.NewBlobClient(name), &lease.BlobClientOptions{LeaseID: &leaseID})
	if err == nil {
		err = onBlob(l)
	}
	return s.fail(err, operation, name)
}

// fail gives an error its kind, and says what was attempted on which blob or container.
func (s *azureBlobs) fail(err error, operation, name string) error {
	if err == nil {
		return nil
	}
	what := operation + " " + strings.TrimSuffix(s.name+"/"+name, "/")
	explained := storage.Explain(err, what)
	switch storage.StatusOf(err) {
	case http.StatusNotFound:
		if name == "" || storage.HasCode(err, storage.CodeContainerNotFound) {
			return &kindError{errNoStore, explained}
		}
		return &kindError{errMissing, explained}
	case http.StatusConflict, http.StatusPreconditionFailed:
		if storage.HasCode(err, storage.CodeContainerBeingDeleted) {
			return fmt.Errorf("%w: try again in a minute", explained)
		}
		return &kindError{errTaken, explained}
	}
	return explained
}

func plainETag(etag *azcore.ETag) string {
	if etag == nil {
		return ""
	}
	return strings.Trim(string(*etag), `"`)
}

// isLeased tells whether a lease keeps others out. Broken and expired leases do not.
func isLeased(state *lease.StateType) bool {
	return state != nil && (*state == lease.StateTypeLeased || *state == lease.StateTypeBreaking)
}
