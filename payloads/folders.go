package payloads

import (
	"context"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/go-taskhub/taskhub/storage"
)

// Folder sums up the payloads that are stored under one name: an instance's id, or its escaped id.
type Folder struct {
	Name   string
	Blobs  int
	Newest time.Time // when the last one was written, by the service's clock
}

// Folders lists what payloads there are, by name. A store without a container has none.
func (s *Store) Folders(ctx context.Context) (map[string]*Folder, error) {
	found := map[string]*Folder{}
	pager := s.container.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{})
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if storage.IsNotFound(err) {
			return found, nil
		}
		if err != nil {
			return nil, storage.Explain(err, "list large payloads")
		}
		if page.Segment == nil {
			continue
		}
		for _, item := range page.Segment.BlobItems {
			if item.Name == nil {
				continue
			}
			i := strings.LastIndexByte(*item.Name, '/')
			if i <= 0 {
				continue
			}
			f := found[(*item.Name)[:i]]
			if f == nil {
				f = &Folder{Name: (*item.Name)[:i]}
				found[f.Name] = f
			}
			f.Blobs++
			if p := item.Properties; p != nil && p.LastModified != nil && p.LastModified.After(f.Newest) {
				f.Newest = p.LastModified.UTC()
			}
		}
	}
	return found, nil
}
