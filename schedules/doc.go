// Package schedules keeps a hub's schedules and starts their instances: when a schedule ticks, the row that remembers what
// has been started, and the loop that a worker runs. docs/schedules.md has the rules.
package schedules
