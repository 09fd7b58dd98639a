package worker

import "github.com/go-taskhub/taskhub/telemetry"

// snapshot is what the metrics show of this worker at the moment.
func (p *process) snapshot() telemetry.Snapshot {
	a := p.runner.Health()
	s := telemetry.Snapshot{
		EpisodesRunning: len(p.slots), EpisodeSlots: cap(p.slots),
		ActivitiesRunning: a.Running, ActivitySlots: a.Slots, ActivitiesWaiting: a.Waiting, WorkItemLag: a.Lag,
	}
	for _, l := range a.Limits {
		s.Limits = append(s.Limits, telemetry.LimitSnapshot{Name: l.Limit.Name, Waiting: l.Waiting, Begun: l.Begun, Waited: l.Waited})
	}
	for _, part := range p.all() {
		h := part.Health()
		s.Partitions = append(s.Partitions, telemetry.PartitionSnapshot{Partition: h.Partition, Sessions: h.Sessions, Waiting: h.Waiting, Lag: h.Lag})
	}
	return s
}
