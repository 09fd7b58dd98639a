package payloads

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/storage"
)

// deletesUnderWay bounds the requests that a deletion of many has under way.
const deletesUnderWay = 16

// Delete deletes a blob; a missing one is no error.
func (s *Store) Delete(ctx context.Context, name string) error {
	_, err := s.remove(ctx, name)
	return err
}

// DeleteAll deletes blobs, several at a time; missing ones are no error.
func (s *Store) DeleteAll(ctx context.Context, names []string) error {
	var total atomic.Int64
	return s.deleteAll(ctx, names, &total)
}

// remove deletes a blob and reports whether there was one.
func (s *Store) remove(ctx context.Context, name string) (bool, error) {
	_, err := s.container.NewBlobClient(name).Delete(ctx, nil)
	if storage.IsNotFound(err) {
		return false, nil
	}
	return err == nil, storage.Explain(err, fmt.Sprintf("delete large payload %s", name))
}

// DeleteInstance deletes the payloads of an instance and returns how many there were. Messages are stored under the
// instance's id, columns of its rows under the escaped id, so it deletes what lies directly in these two folders, and
// nothing else. (DurableTask.AzureStorage 2.9 deletes every name that begins with the id: too much when another id
// begins with this one, and not the columns of ids that need escaping.)
func (s *Store) DeleteInstance(ctx context.Context, instanceID string) (int, error) {
	if instanceID == "" {
		return 0, nil
	}
	folders := []string{instanceID}
	if escaped := layout.EscapeKey(instanceID); escaped != instanceID {
		folders = append(folders, escaped)
	}
	var total atomic.Int64
	for _, folder := range folders {
		if err := s.deleteFolder(ctx, folder+"/", &total); err != nil {
			return int(total.Load()), err
		}
	}
	return int(total.Load()), nil
}

// deleteFolder deletes the blobs whose names consist of the prefix and something without a further slash: what lies deeper
// belongs to another instance.
func (s *Store) deleteFolder(ctx context.Context, prefix string, total *atomic.Int64) error {
	pager := s.container.NewListBlobsHierarchyPager("/", &container.ListBlobsHierarchyOptions{Prefix: &prefix})
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if storage.IsNotFound(err) {
			return nil // no container, so no payloads
		}
		if err != nil {
			return storage.Explain(err, fmt.Sprintf("list large payloads under %s", prefix))
		}
		if err := s.deleteAll(ctx, namesIn(page, prefix), total); err != nil {
			return err
		}
	}
	return nil
}

func namesIn(page container.ListBlobsHierarchyResponse, prefix string) []string {
	if page.Segment == nil {
		return nil
	}
	var names []string
	for _, item := range page.Segment.BlobItems {
		if item.Name == nil {
			continue
		}
		if file, ok := strings.CutPrefix(*item.Name, prefix); ok && file != "" && !strings.Contains(file, "/") {
			names = append(names, *item.Name)
		}
	}
	return names
}

func (s *Store) deleteAll(ctx context.Context, names []string, total *atomic.Int64) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(deletesUnderWay)
	for _, name := range names {
		group.Go(func() error {
			deleted, err := s.remove(ctx, name)
			if deleted {
				total.Add(1)
			}
			return err
		})
	}
	return group.Wait()
}
