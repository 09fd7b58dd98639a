package main

import (
	"archive/tar"
	"archive/zip"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// packed is a file on its way into an archive.
type packed struct {
	name string // in the archive
	path string
	mode fs.FileMode
	size int64
}

// Modes in archives. What a file may do on the machine that packs it does not matter: Windows knows nothing of it.
const (
	programMode = 0o755
	textMode    = 0o644
)

// pack writes an archive of the files in a directory, below the directory's name.
func pack(out, dir string, at time.Time) (err error) {
	files, err := list(dir)
	if err != nil {
		return err
	}
	write := writeTar
	switch {
	case strings.HasSuffix(out, ".zip"):
		write = writeZip
	case !strings.HasSuffix(out, ".tar.gz"):
		return fmt.Errorf("%s is neither a .tar.gz nor a .zip", out)
	}
	f, err := os.OpenFile(out, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, textMode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return write(f, files, at)
}

// list returns the files in order of their names. Programs are those without an extension, and .exe; LICENSE is neither.
func list(dir string) ([]packed, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []packed
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s is no file", filepath.Join(dir, e.Name()))
		}
		mode := fs.FileMode(programMode)
		if extension := filepath.Ext(e.Name()); e.Name() == "LICENSE" || (extension != "" && extension != ".exe") {
			mode = textMode
		}
		files = append(files, packed{filepath.Base(dir) + "/" + e.Name(), filepath.Join(dir, e.Name()), mode, info.Size()})
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s is empty", dir)
	}
	slices.SortFunc(files, func(a, b packed) int { return strings.Compare(a.name, b.name) })
	return files, nil
}

func writeTar(out io.Writer, files []packed, at time.Time) error {
	zipped, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(zipped)
	for _, f := range files {
		// Neither owner nor a second time stamp: they are the packing machine's.
		header := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: int64(f.mode), Size: f.size, ModTime: at, Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if err := copyFile(archive, f.path); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), zipped.Close())
}

func writeZip(out io.Writer, files []packed, at time.Time) error {
	archive := zip.NewWriter(out)
	archive.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	for _, f := range files {
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: at}
		header.SetMode(f.mode)
		w, err := archive.CreateHeader(header)
		if err != nil {
			return err
		}
		if err := copyFile(w, f.path); err != nil {
			return err
		}
	}
	return archive.Close()
}

func copyFile(to io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, f)
	return errors.Join(err, f.Close())
}
