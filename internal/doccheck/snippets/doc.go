// Package snippets has the Go code that the pages of docs quote where no sample has it. All of it is run by its tests.
package snippets
