package taskhub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"
	"golang.org/x/sync/errgroup"

	"github.com/go-taskhub/taskhub/storage"
	"github.com/go-taskhub/taskhub/tables"
)

// Delete deletes the hub with everything in it: instances, histories, messages, leases and large values. Workers that
// still run lose their leases and report errors. What is not there is no error, so a deletion cut short can be repeated.
// Tables that the hub shares with others, see [Config.TrackingPrefix], lose its instances and stay.
//
// Azure Storage takes up to a minute to finish deleting; until then the hub cannot be created anew under this name.
func (h *Hub) Delete(ctx context.Context) error {
	h.forget(ctx)
	group, ctx := errgroup.WithContext(ctx)
	for _, name := range []string{
		h.names.PartitionsTable(), h.names.ActiveTable(), h.names.DeadLettersTable(), h.names.SchedulesTable(), h.names.LimitsTable(),
	} {
		group.Go(func() error { return h.deleteTable(ctx, name) })
	}
	group.Go(func() error { return h.deleteInstances(ctx) })
	group.Go(func() error { return h.deleteQueues(ctx) })
	group.Go(func() error { return h.deleteContainer(ctx, h.names.LeaseContainer(), "") })
	group.Go(func() error { return h.deleteAppLease(ctx) })
	if err := group.Wait(); err != nil {
		return fmt.Errorf("delete hub %q: %w", h.Name(), err)
	}
	return nil
}

// Delete deletes a hub as [Hub.Delete] does. It does not look at the hub first, so it also deletes one that [Open]
// refuses, because parts of it are missing or cannot be understood. A hub that is not there is no error.
func Delete(ctx context.Context, cfg Config) error {
	h, err := newHub(cfg)
	if err != nil {
		return err
	}
	return errors.Join(h.Delete(ctx), h.Close())
}

func (h *Hub) deleteTable(ctx context.Context, name string) error {
	_, err := h.accounts.tracking.Tables().NewClient(name).Delete(ctx, nil)
	return ignoreMissing(err, "delete table "+name)
}

// deleteInstances deletes the History and Instances tables and large values. Of tables that other hubs use, too, it
// deletes the rows that are this hub's.
func (h *Hub) deleteInstances(ctx context.Context) error {
	shared := false
	if h.names.TrackingPrefix() != "" {
		var err error
		if shared, err = h.hasRowsIn(ctx, h.names.InstancesTable(), "ne"); err != nil {
			return err
		}
	}
	if shared {
		if err := h.deleteOwnInstances(ctx); err != nil {
			return err
		}
	} else {
		group, groupCtx := errgroup.WithContext(ctx)
		for _, name := range []string{h.names.HistoryTable(), h.names.InstancesTable()} {
			group.Go(func() error { return h.deleteTable(groupCtx, name) })
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return h.deleteContainer(ctx, h.names.LargeMessageContainer(), "")
}

func (h *Hub) deleteOwnInstances(ctx context.Context) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(parallelPurges)
	for row, err := range h.tables.All(ctx, tables.Filter{Hubs: []string{h.Name()}, Raw: true}) {
		if err != nil {
			return errors.Join(err, group.Wait())
		}
		group.Go(func() error {
			_, err := h.tables.PurgeInstance(groupCtx, row.InstanceID)
			return err
		})
	}
	return group.Wait()
}

func ignoreMissing(err error, operation string) error {
	if storage.IsNotFound(err) || storage.HasCode(err, storage.CodeTableBeingDeleted, storage.CodeQueueBeingDeleted, storage.CodeContainerBeingDeleted) {
		return nil
	}
	return storage.Explain(err, operation)
}

// deleteQueues deletes all control queues, those beyond the configured number included, and the work-item queue.
func (h *Hub) deleteQueues(ctx context.Context) error {
	names, err := h.controlQueues(ctx)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, name := range append(names, h.names.WorkItemQueue()) {
		group.Go(func() error {
			_, err := h.accounts.main.Queues().NewQueueClient(name).Delete(ctx, nil)
			return ignoreMissing(err, "delete queue "+name)
		})
	}
	return group.Wait()
}

// deleteContainer deletes a container, under a lease when there is one.
func (h *Hub) deleteContainer(ctx context.Context, name, leaseID string) error {
	options := &container.DeleteOptions{}
	if leaseID != "" {
		options.AccessConditions = &container.AccessConditions{LeaseAccessConditions: &container.LeaseAccessConditions{LeaseID: &leaseID}}
	}
	_, err := h.accounts.tracking.BlobService().NewContainerClient(name).Delete(ctx, options)
	return ignoreMissing(err, "delete container "+name)
}

// deleteAppLease deletes the container on which the app lease is held. The lease is held beyond the worker's end, so
// it is given by the id that its holder left beside it; when that is of no use, the lease is broken.
func (h *Hub) deleteAppLease(ctx context.Context) error {
	name := h.names.AppLeaseContainer()
	err := h.deleteContainer(ctx, name, "")
	if !storage.IsPreconditionFailed(err) {
		return err
	}
	if owner, readErr := h.appLeaseOwner(ctx); readErr == nil && owner != "" {
		if err = h.deleteContainer(ctx, name, owner); err == nil {
			return nil
		}
	}
	client, err := lease.NewContainerClient(h.accounts.tracking.BlobService().NewContainerClient(name), nil)
	if err != nil {
		return err
	}
	if _, err := client.BreakLease(ctx, &lease.ContainerBreakOptions{BreakPeriod: new(int32(0))}); err != nil {
		return ignoreMissing(err, "break the app lease")
	}
	return h.deleteContainer(ctx, name, "")
}

// maxInfoBlob is more than the app lease's info blob ever holds.
const maxInfoBlob = 64 << 10

func (h *Hub) appLeaseOwner(ctx context.Context) (string, error) {
	const operation = "read the owner of the app lease"
	response, err := h.accounts.tracking.Blobs().DownloadStream(ctx, h.names.AppLeaseContainer(), h.names.AppLeaseInfoBlob(), nil)
	if err != nil {
		return "", storage.Explain(err, operation)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxInfoBlob))
	if err != nil {
		return "", storage.Explain(err, operation)
	}
	var info struct {
		OwnerID string `json:"OwnerId"`
	}
	if err := json.Unmarshal(text, &info); err != nil {
		return "", fmt.Errorf("%s: %w", operation, err)
	}
	return info.OwnerID, nil
}
