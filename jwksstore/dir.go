package jwksstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/seed-22400188/jwks"
)

const (
	suffix    = ".jwks"
	temporary = ".tmp-*"
	abandoned = time.Hour // after which a temporary file is nobody's
	maxRecord = 64 << 20  // more than any record that a client saves with a reasonable WithMaxDocumentSize
)

// Dir makes a store in a directory, with one file per record. If the directory is
// missing, it is made with mode 0700, but its parents are not. Files have mode 0600.
//
// Save writes a temporary file beside the record, syncs it, and renames it. So
// a complete record remains, the old one or a new one, even if a process is killed or
// several save at once. Dir removes temporary files
// older than an hour, which are from processes that died. It is meant for a
// local disk: a network file system may not rename atomically.
//
// An empty path, a path that is not a directory, and a directory that its group
// or others can write to are errors. Someone who can write there cannot add a key, but
// can restore an older set that has not expired. On Windows, permissions are not
// checked.
func Dir(path string) (jwks.Store, error) {
	if path == "" {
		return nil, errors.New("jwksstore: the path is empty")
	}
	path, err := filepath.Abs(path) // the program may change its directory
	if err != nil {
		return nil, fmt.Errorf("jwksstore: %w", err)
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("jwksstore: %w", err)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("jwksstore: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("jwksstore: %s is not a directory", path)
	case info.Mode().Perm()&0o022 != 0 && runtime.GOOS != "windows":
		return nil, fmt.Errorf("jwksstore: group or others can write to %s (mode %04o), want 0700", path, info.Mode().Perm())
	}
	d := dir(path)
	d.sweep(time.Now())
	return d, nil
}

type dir string

// file is where the record of a name is. Names of clients are plain; what is not
// goes by its digest.
func (d dir) file(name string) string {
	plain := name != "" && len(name) <= 64 && !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-')
	})
	if !plain {
		sum := sha256.Sum256([]byte(name))
		name = "_" + hex.EncodeToString(sum[:])
	}
	return filepath.Join(string(d), name+suffix)
}

// Load implements [jwks.Store]. Nothing but a plain file is read: opening a pipe
// would wait for its writer.
func (d dir) Load(ctx context.Context, name string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path := d.file(name)
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a plain file", path)
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	record, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	if err == nil && len(record) > maxRecord {
		err = fmt.Errorf("%s is larger than %d MiB", path, maxRecord>>20)
	}
	if err != nil {
		return nil, err
	}
	return record, nil
}

// Save implements [jwks.Store].
func (d dir) Save(ctx context.Context, name string, record []byte) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	path := d.file(name)
	f, err := os.CreateTemp(string(d), filepath.Base(path)+temporary) // of mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(record); err != nil {
		return err
	}
	if err = f.Sync(); err != nil { // or after a crash of the machine the new name may lead to nothing
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = ctx.Err(); err != nil { // the disk was slow, and a newer record may be there by now
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(string(d))
}

// syncDir makes a rename last. Where directories cannot be synced, it does by
// itself.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// sweep removes the temporary files of processes that died while they saved.
func (d dir) sweep(now time.Time) {
	left, _ := filepath.Glob(filepath.Join(escape(string(d)), "*"+suffix+temporary)) // the pattern is good
	for _, path := range left {
		if info, err := os.Lstat(path); err == nil && now.Sub(info.ModTime()) > abandoned {
			_ = os.Remove(path) // another process may have been faster
		}
	}
}

// escape makes a path a pattern that matches it.
func escape(path string) string {
	if runtime.GOOS == "windows" { // there is no escaping
		return path
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
