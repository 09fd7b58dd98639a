package partition

import (
	"github.com/go-taskhub/taskhub/history"
	"github.com/go-taskhub/taskhub/internal/layout"
)

// isNotice tells messages to the owner of the partition from those to instances.
func isNotice(env *history.Envelope) bool {
	e, ok := env.Message.Event.(*history.EventRaised)
	return ok && layout.IsNotice(env.Message.Target.InstanceID, e.Name)
}

// noticed passes a notice on and deletes its message. One that comes again does no harm.
func (p *Partition) noticed(h *hold) {
	if p.cfg.Notice != nil {
		p.cfg.Notice()
	}
	p.loop("deleting a notice", func() { p.holds.delete(p.work, []*hold{h}) })
}
