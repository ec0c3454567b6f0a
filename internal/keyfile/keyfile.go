// Package keyfile reads a small file that somebody may be replacing.
package keyfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// attempts is how often a file is read that changes meanwhile.
const attempts = 3

var errChanging = errors.New("it is being written")

// Read returns the content of a regular file, or of what a symbolic link leads
// to, of at most limit bytes. A file that changes while it is read is read
// again, and is an error if it does not come to rest. That is for what looks
// whole when it is cut, such as PEM; it cannot find every half-written file. The
// error is one line without the path; it matches what package fs has for it.
func Read(path string, limit int64) ([]byte, error) {
	for n := 1; ; n++ {
		text, err := read(path, limit)
		if !errors.Is(err, errChanging) || n == attempts {
			return text, err
		}
	}
}

func read(path string, limit int64) ([]byte, error) {
	// Opening a pipe waits for somebody who writes to it.
	info, err := os.Stat(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return nil, withoutPath(err)
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, withoutPath(err)
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("it is longer than the limit of %d bytes", limit)
	}
	after, err := f.Stat()
	if err != nil {
		return nil, withoutPath(err)
	}
	if after.Size() != int64(len(text)) || !after.ModTime().Equal(before.ModTime()) {
		return nil, errChanging
	}
	return text, nil
}

// withoutPath leaves out what the caller knows and tells.
func withoutPath(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
