package partition

import (
	"time"

	"github.com/go-taskhub/taskhub/internal/layout"
	"github.com/go-taskhub/taskhub/queues"
)

// moveDelay is how long a message that was moved stays invisible. Workers that disagree about the number of partitions send a message
// back and forth; this bounds what that costs.
const moveDelay = 2 * time.Second

// home is the partition of an instance.
func (p *Partition) home(instanceID string) int {
	return layout.Partition(instanceID, p.cfg.Queues.Partitions())
}

// moveHome puts a message into its instance's queue that was found in this one, as happens when the number of a hub's partitions was
// changed by hand. Two partitions at work on one instance would undo each other's work. Should the deletion fail, the copy is
// recognised there.
func (p *Partition) moveHome(d *queues.Delivery, h *hold) {
	target := p.cfg.Queues.ControlFor(d.Envelope.Message.Target.InstanceID)
	p.log.Error("a message lies in the wrong control queue and is moved; has the hub's number of partitions been changed? Stop all workers before doing that",
		keyMessage, d.ID, keyInstance, d.Envelope.Message.Target.InstanceID, keyOperation, "move to "+target.Name())
	p.loop("moving a message", func() {
		if _, err := target.Put(p.work, d.Envelope, moveDelay); err != nil {
			p.log.Warn("a message could not be moved to its queue; trying again", keyMessage, d.ID, keyError, err)
			p.holds.giveBack(p.work, []*hold{h}, backoff(d.DequeueCount))
			return
		}
		p.holds.delete(p.work, []*hold{h})
	})
}
