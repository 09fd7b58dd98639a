//go:build !windows

package main

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

func noRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

func addressForbidden(err error) bool { return errors.Is(err, fs.ErrPermission) }

func noSuchAddress(err error) bool { return errors.Is(err, syscall.EADDRNOTAVAIL) }

// showsSequences says whether a terminal understands escape sequences.
func showsSequences(*os.File) bool { return true }
