// Package emulator is embedded Azure Storage.
package emulator
