package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strconv"
	"syscall"

	"github.com/go-taskhub/taskhub/emulator"
)

// directoryError explains why the directory cannot be used.
func (o *devOptions) directoryError(dir string, err error) error {
	var held *emulator.LockedError
	if errors.As(err, &held) {
		return fmt.Errorf(`directory %q is in use by %s, perhaps another "taskhub dev": stop it, or choose another directory with --dir`, dir, process(held.PID))
	}
	return directoryError(dir, err, "choose another directory with --dir")
}

// directoryError explains why a directory cannot be used for embedded storage, other than because somebody has it.
func directoryError(dir string, err error, otherwise string) error {
	dir = absolute(dir)
	var corrupt *emulator.CorruptError
	var version *emulator.VersionError
	var parent *emulator.ParentError
	switch {
	case errors.As(err, &corrupt):
		return fmt.Errorf("%w; move the directory away to begin with an empty one, or %s", err, otherwise)
	case errors.As(err, &version):
		return fmt.Errorf("%w; use the taskhub that wrote it, or %s", err, otherwise)
	case errors.As(err, &parent):
		return fmt.Errorf("there is no directory %q to hold %q: check the path, or make it first", absolute(parent.Parent), dir)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("may not write to directory %q (%w): change its permissions, or %s", dir, innermost(err), otherwise)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%q cannot be a directory, because a file is in the way: %s", dir, otherwise)
	}
	return fmt.Errorf("cannot use directory %q: %w: %s", dir, innermost(err), otherwise)
}

// diskError explains why the storage stopped by itself.
func diskError(dir string, err error) error {
	remedy := "see that the disk works, and start again"
	if noRoom(err) {
		remedy = "make room on the disk, and start again"
	}
	return fmt.Errorf("stopped, because directory %q cannot be written any more (%w): everything that was acknowledged is there; %s", dir, innermost(err), remedy)
}

// errWindowsAddressInUse is WSAEADDRINUSE, which package syscall does not translate.
const errWindowsAddressInUse syscall.Errno = 10048

// listenError explains why a port could not be opened.
func (o *devOptions) listenError(err error) error {
	service, address := o.refused(err)
	choose := fmt.Sprintf("choose another port with --%s-port (0 takes a free one)", service)
	switch {
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, errWindowsAddressInUse):
		return fmt.Errorf(`the %s service cannot listen on %s: the port is in use, perhaps by Azurite or another "taskhub dev": stop that, or %s`, service, address, choose)
	case addressForbidden(err):
		return fmt.Errorf("the %s service may not listen on %s (%w): %s", service, address, innermost(err), choose)
	case noSuchAddress(err):
		return fmt.Errorf("%q is no address of this machine: give one with --host, or 127.0.0.1", o.host)
	}
	var name *net.DNSError
	if errors.As(err, &name) {
		return fmt.Errorf("%q is no address to listen on (%s): give an IP address of this machine with --host", o.host, name.Err)
	}
	return fmt.Errorf("the %s service cannot listen on %s (%w): %s, or another address with --host", service, address, innermost(err), choose)
}

// refused returns the service and the address that an error of listening is about.
func (o *devOptions) refused(err error) (service, address string) {
	var listen *emulator.ListenError
	if errors.As(err, &listen) {
		return listen.Service, listen.Address
	}
	return serviceNames()[blobService], net.JoinHostPort(o.host, strconv.Itoa(o.ports[blobService]))
}
