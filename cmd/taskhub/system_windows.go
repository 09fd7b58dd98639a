package main

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// Errors that package syscall does not translate into those of other systems.

func noRoom(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL) || errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED)
}

// addressForbidden is also what a port in a range that Windows keeps for others answers, see "netsh interface ipv4 show excludedportrange tcp".
func addressForbidden(err error) bool { return errors.Is(err, windows.WSAEACCES) }

func noSuchAddress(err error) bool { return errors.Is(err, windows.WSAEADDRNOTAVAIL) }

// showsSequences says whether a terminal understands escape sequences. Older consoles do so only when asked.
func showsSequences(f *os.File) bool {
	console := windows.Handle(f.Fd())
	var mode uint32
	if err := windows.GetConsoleMode(console, &mode); err != nil {
		return false
	}
	return mode&windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING != 0 || windows.SetConsoleMode(console, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
