package partition

// Fleet says which kinds of workers run a hub, and with that the order of effects.
type Fleet int

const (
	// Mixed is a hub that .NET workers may run too: everything is sent before it is committed, because a .NET worker
	// cannot send again what a dead worker failed to send.
	Mixed Fleet = iota
	// Go is a hub that only Go workers run: everything is committed before it is sent, and whoever loads an instance
	// sends again what its dead owner did not.
	Go
)

// String is the name in the hub's fleet row.
func (f Fleet) String() string {
	if f == Go {
		return "go"
	}
	return "mixed"
}

// goFleet says whether the partition commits first.
func (p *Partition) goFleet() bool { return p.cfg.Fleet == Go }
