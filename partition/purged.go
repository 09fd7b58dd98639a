package partition

import (
	"context"
	"errors"

	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/payloads"
	"github.com/go-taskhub/taskhub/queues"
	"github.com/go-taskhub/taskhub/tables"
)

// Purged says whether a message cannot be read because its instance was purged: its content was in a blob that is gone, and so
// is the instance. A work item is for nobody, too, if what has the instance's id by now began after the work item was put.
// For all other messages it is false, without a call.
func Purged(ctx context.Context, store *tables.Store, d *queues.Delivery) (bool, error) {
	var missing *payloads.MissingError
	about := d.About()
	if !errors.As(d.Err, &missing) || about.Target.InstanceID == "" {
		return false, nil
	}
	row, err := store.GetInstance(ctx, about.Target.InstanceID, tables.GetOptions{Raw: true})
	switch {
	case err != nil:
		return false, err
	case row != nil:
		return about.Kind == history.KindTaskScheduled.String() && row.CreatedTime.After(d.InsertedAt.Add(clockSlack)), nil
	}
	sentinel, err := store.ReadCommit(ctx, about.Target.InstanceID)
	return err == nil && !sentinel.Exists, err
}

// unreadable deals with a message whose content could not be had: it goes if its instance was purged, and is set aside otherwise.
func (p *Partition) unreadable(d *queues.Delivery, h *hold, otherwise func()) {
	purged, err := Purged(p.work, p.cfg.Tables, d)
	switch {
	case err != nil:
		p.log.Warn("it could not be found out whether a message's instance was purged; trying again", keyMessage, d.ID, keyError, err)
		p.holds.giveBack(p.work, []*hold{h}, backoff(d.DequeueCount))
	case purged:
		p.log.Info("a message is deleted: its instance was purged, and its content with it", keyMessage, d.ID, keyInstance, d.About().Target.InstanceID)
		p.holds.delete(p.work, []*hold{h})
	default:
		otherwise()
	}
}
