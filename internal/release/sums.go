package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sumsFile has a line for each archive, as sha256sum and shasum write and check it.
const sumsFile = "SHA256SUMS"

// archives are the names of all files of a directory but the sums.
func archives(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Name() != sumsFile {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("there is nothing in %s", dir)
	}
	return names, nil
}

// sum writes the sums of a directory's archives.
func sum(dir string) error {
	names, err := archives(dir)
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, name := range names {
		digest, err := hashFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s  %s\n", digest, name)
	}
	return os.WriteFile(filepath.Join(dir, sumsFile), []byte(text.String()), textMode)
}

// check compares a directory's archives with their sums. A file without a sum is an error, too, and so is a sum without a file.
func check(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, sumsFile))
	if err != nil {
		return err
	}
	names, err := archives(dir)
	if err != nil {
		return err
	}
	var faults []error
	for line := range strings.Lines(string(text)) {
		want, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !ok {
			return fmt.Errorf("%s: %q is not a sum and a name", sumsFile, line)
		}
		i := slices.Index(names, name)
		if i < 0 {
			faults = append(faults, fmt.Errorf("%s has a sum and is not there", name))
			continue
		}
		names = slices.Delete(names, i, i+1)
		if got, err := hashFile(filepath.Join(dir, name)); err != nil || got != want {
			faults = append(faults, errors.Join(fmt.Errorf("%s is not what %s says", name, sumsFile), err))
		}
	}
	for _, name := range names {
		faults = append(faults, fmt.Errorf("%s has no sum", name))
	}
	return errors.Join(faults...)
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	digest := sha256.New()
	_, err = io.Copy(digest, f)
	return hex.EncodeToString(digest.Sum(nil)), errors.Join(err, f.Close())
}
