// Package arch holds the import rules between this module's packages and the test that keeps them.
//
// A room is a folder with one job; its subfolders belong to it. Direct imports between rooms go downwards only, as Rooms lists them.
// Test files are exempt: they may take whatever makes a good test.
package arch

// Rules says what the packages of one room may import from this module.
type Rules struct {
	Anything bool     // every other room; for commands and test instruments, which nothing imports
	May      []string // the rooms listed
}

// public are the rooms that programs outside this module use.
var public = []string{"durable", "taskhub", "worker", "durabletest", "httpapi", "dashboard", "history", "storage", "emulator", "telemetry"}

// Rooms is the table of rooms and of what each may import, top to bottom. The name "samples/*" stands for each folder in samples.
func Rooms() map[string]Rules {
	return map[string]Rules{
		// Programs. What several samples share is in samples/internal.
		"cmd/taskhub":      {Anything: true},
		"bench":            {Anything: true},
		"samples/internal": {May: []string{"durable"}},
		"samples/*":        {May: append([]string{"samples/internal"}, public...)},

		// Around a hub.
		"dashboard": {May: []string{"httpapi", "taskhub", "durable", "history"}},
		"httpapi":   {May: []string{"taskhub", "durable", "history"}},

		// The engine.
		"worker":     {May: []string{"partition", "activities", "leases", "schedules", "limits", "taskhub", "tables", "durable", "history", "queues", "telemetry", "internal/replay", "internal/layout"}},
		"partition":  {May: []string{"queues", "tables", "payloads", "durable", "history", "telemetry", "internal/replay", "internal/layout"}},
		"activities": {May: []string{"limits", "queues", "durable", "history", "telemetry", "internal/layout"}},
		"taskhub":    {May: []string{"queues", "tables", "payloads", "leases", "schedules", "limits", "durable", "history", "storage", "telemetry", "internal/layout", "internal/edm"}},

		// What is told to OpenTelemetry.
		"telemetry": {May: []string{"history"}},

		// The format on storage.
		"limits":    {May: []string{"durable", "storage", "internal/layout", "internal/edm", "internal/jsontext"}},
		"schedules": {May: []string{"durable", "storage", "internal/layout", "internal/edm", "internal/jsontext"}},
		"leases":    {May: []string{"storage", "internal/layout", "internal/edm"}},
		"queues":    {May: []string{"history", "payloads", "storage", "internal/layout"}},
		"tables":    {May: []string{"history", "payloads", "storage", "internal/layout", "internal/edm", "internal/jsontext"}},
		"payloads":  {May: []string{"storage", "internal/layout"}},

		// What authors type, and how it is run and tested; it knows no storage.
		"durabletest":     {May: []string{"durable", "history", "internal/replay"}},
		"durable":         {May: []string{"history", "internal/replay"}},
		"internal/replay": {May: []string{"history"}},

		// The ground.
		"storage":           {May: []string{"emulator"}},
		"emulator":          {May: []string{"internal/edm"}},
		"history":           {May: []string{"internal/edm", "internal/jsontext"}},
		"internal/edm":      {May: []string{"internal/jsontext"}},
		"internal/layout":   {},
		"internal/jsontext": {},

		// Instruments of development.
		"internal/faultproxy":  {Anything: true},
		"internal/goldencheck": {Anything: true},
		"internal/interop":     {Anything: true},
		"internal/release":     {},
		"internal/smoke":       {Anything: true},
		"internal/simulate":    {Anything: true},
		"internal/twins":       {Anything: true},
		"internal/testkit":     {May: []string{"storage", "emulator", "internal/layout"}},
		"internal/testsummary": {},
		"internal/doccheck":    {},
		"internal/arch":        {},
	}
}
