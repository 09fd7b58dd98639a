// Package programs holds Go twins of the orchestrators and activities of the .NET
// peer that this project measures itself against: same names, same inputs, same
// results, and the same events in the same order.
package programs
