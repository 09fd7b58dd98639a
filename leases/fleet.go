package leases

import "fmt"

// Fleet says which kinds of workers run a hub.
type Fleet int

const (
	// MixedFleet is a hub on which .NET workers may run beside Go workers: what is written is what .NET writes.
	MixedFleet Fleet = iota
	// GoFleet is a hub that only Go workers run. Records and rows of leases name the fleet; with lease blobs, one lease a
	// partition is used and renewed in either mode; and the workers hold the app lease for good, under one name that all
	// share, so that .NET workers with their default settings wait outside, also while no Go worker runs.
	GoFleet
)

// String returns "mixed" or "go".
func (f Fleet) String() string {
	switch f {
	case MixedFleet:
		return "mixed"
	case GoFleet:
		return "go"
	}
	return fmt.Sprintf("Fleet(%d)", int(f))
}

// marker is what leases say about their owner's fleet. .NET says nothing.
func (f Fleet) marker() string {
	if f == GoFleet {
		return f.String()
	}
	return ""
}

// other is the other kind of fleet.
func (f Fleet) other() Fleet {
	if f == GoFleet {
		return MixedFleet
	}
	return GoFleet
}

func fleetOf(marker string) Fleet {
	if marker == GoFleet.marker() {
		return GoFleet
	}
	return MixedFleet
}

// noteStranger tells once that a worker of the other kind of fleet has come, and returns its name.
func noteStranger(cfg Config, known, found string) string {
	if found != "" && found != known {
		cfg.Logger.Error("a worker of another kind of fleet holds leases in this hub; stop it, or start all workers for the same kind",
			keyOwner, found, keyFleet, cfg.Fleet.String(), keyOther, cfg.Fleet.other().String())
	}
	return found
}
