//go:build unix

package jwksstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwksstore"
)

// In a process that a test started, this variable says what to save, and where.
const saver = "JWKSSTORE_TEST_SAVER"

// record is what saver n saves: many times the size of a page, so that a torn
// one would show.
func record(n int) []byte { return bytes.Repeat([]byte{byte('a' + n%26)}, 100_000+n) }

func TestMain(m *testing.M) {
	if n, err := strconv.Atoi(os.Getenv(saver)); err == nil {
		saveForEver(os.Args[len(os.Args)-1], n)
	}
	os.Exit(m.Run())
}

// saveForEver saves until the process is killed.
func saveForEver(path string, n int) {
	s, err := jwksstore.Dir(path)
	for err == nil {
		err = s.Save(context.Background(), "name", record(n))
		fmt.Println("saved")
	}
	fmt.Println(err)
	os.Exit(1)
}

// process starts one that saves for ever, and waits until it has saved once.
func process(t *testing.T, path string, n int) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], path)
	cmd.Env = append(os.Environ(), saver+"="+strconv.Itoa(n))
	out, err := cmd.StdoutPipe()
	testkit.WantNoError(t, err)
	testkit.WantNoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line := make([]byte, 6)
	if _, err := io.ReadFull(out, line); err != nil || string(line) != "saved\n" {
		t.Fatalf("%q, %v", line, err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return cmd
}

// wantWhole wants one of the records, as a whole.
func wantWhole(t *testing.T, s jwks.Store, most int) {
	t.Helper()
	got, err := s.Load(t.Context(), "name")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got) - 100_000; n < 0 || n >= most || !bytes.Equal(got, record(n)) {
		t.Fatalf("a record of %d bytes is not one of those that were saved", len(got))
	}
}

// A process that is killed in the middle of a save leaves a whole record.
func TestDir_KilledWhileSaving(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	s, err := jwksstore.Dir(path)
	testkit.WantNoError(t, err)
	for n := range 5 {
		cmd := process(t, path, n)
		for range 3 { // it saves all the time
			wantWhole(t, s, 10)
		}
		testkit.WantNoError(t, cmd.Process.Signal(syscall.SIGKILL))
		_ = cmd.Wait()
		wantWhole(t, s, 10)
	}
}

// Ten processes that save at once leave a whole record, now and at any time.
func TestDir_TenProcessesAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	s, err := jwksstore.Dir(path)
	testkit.WantNoError(t, err)
	var all []*exec.Cmd
	for n := range 10 {
		all = append(all, process(t, path, n))
	}
	for range 50 {
		wantWhole(t, s, 10)
	}
	for _, cmd := range all {
		testkit.WantNoError(t, cmd.Process.Signal(syscall.SIGKILL))
		_ = cmd.Wait()
	}
	wantWhole(t, s, 10)
}

func stores(t *testing.T) map[string]jwks.Store {
	dir, err := jwksstore.Dir(filepath.Join(t.TempDir(), "keys"))
	testkit.WantNoError(t, err)
	return map[string]jwks.Store{"Dir": dir, "Memory": jwksstore.Memory()}
}

func TestStores_ReturnWhatWasSaved(t *testing.T) {
	for kind, s := range stores(t) {
		names := []string{"0123456789abcdef0123456789abcdef", "Upper", "upper", "../escape", "a/b", "", "…", strings.Repeat("x", 300), "a.jwks", ".", ".."}
		for _, name := range names {
			if got, err := s.Load(t.Context(), name); got != nil || err != nil {
				t.Errorf("%s: %q before it was saved: %q, %v", kind, name, got, err)
			}
			text := []byte("first " + name)
			testkit.WantNoError(t, s.Save(t.Context(), name, text))
			clear(text) // it was copied
			testkit.WantNoError(t, s.Save(t.Context(), name, []byte("record of "+name)))
		}
		for _, name := range names {
			got, err := s.Load(t.Context(), name)
			if string(got) != "record of "+name || err != nil {
				t.Errorf("%s: %q: %q, %v", kind, name, got, err)
			}
			clear(got) // it is a copy
			if again, _ := s.Load(t.Context(), name); string(again) != "record of "+name {
				t.Errorf("%s: %q, again: %q", kind, name, again)
			}
		}
	}
}

func TestStores_ConcurrentUse(t *testing.T) {
	for kind, s := range stores(t) {
		t.Run(kind, func(t *testing.T) {
			var wg sync.WaitGroup
			for n := range 10 {
				wg.Go(func() {
					for range 3 {
						if err := s.Save(t.Context(), "name", record(n)); err != nil {
							t.Error(err)
						}
						if got, err := s.Load(t.Context(), "name"); err != nil || len(got) < 100_000 || !bytes.Equal(got, record(len(got)-100_000)) {
							t.Errorf("%d bytes, %v", len(got), err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestDir_Permissions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	s, err := jwksstore.Dir(path)
	testkit.WantNoError(t, err)
	testkit.WantNoError(t, s.Save(t.Context(), "name", []byte("x")))
	files, err := os.ReadDir(path)
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	for path, want := range map[string]os.FileMode{path: 0o700, filepath.Join(path, files[0].Name()): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if _, err := jwksstore.Dir(path); err != nil {
		t.Errorf("a second time: %v", err)
	}
	if _, err := jwksstore.Dir(path + "/"); err != nil {
		t.Errorf("with a slash: %v", err)
	}
}

func TestDir_Refusals(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "file")
	testkit.WantNoError(t, os.WriteFile(file, nil, 0o600))
	for name, path := range map[string]string{"nothing": "", "a file": file, "no parent": filepath.Join(root, "a", "b"), "below a file": filepath.Join(file, "a")} {
		if s, err := jwksstore.Dir(path); s != nil || err == nil || !strings.HasPrefix(err.Error(), "jwksstore: ") {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "a")); err == nil {
		t.Error("the parent was made")
	}
	for _, mode := range []os.FileMode{0o720, 0o702, 0o777, 0o770} {
		open := filepath.Join(root, fmt.Sprintf("mode%o", mode))
		testkit.WantNoError(t, os.Mkdir(open, 0o700))
		testkit.WantNoError(t, os.Chmod(open, mode))
		if s, err := jwksstore.Dir(open); s != nil || err == nil || !strings.Contains(err.Error(), fmt.Sprintf("mode %04o", mode)) {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	readable := filepath.Join(root, "readable")
	testkit.WantNoError(t, os.Mkdir(readable, 0o755))
	if _, err := jwksstore.Dir(readable); err != nil {
		t.Errorf("one that others can read: %v", err)
	}
}

// What is in the way of a record is an error, and nothing waits for it.
func TestDir_OddFiles(t *testing.T) {
	path := t.TempDir()
	testkit.WantNoError(t, os.Chmod(path, 0o700))
	s, err := jwksstore.Dir(path)
	testkit.WantNoError(t, err)
	testkit.WantNoError(t, syscall.Mkfifo(filepath.Join(path, "pipe.jwks"), 0o600))
	testkit.WantNoError(t, os.Mkdir(filepath.Join(path, "folder.jwks"), 0o700))
	testkit.WantNoError(t, os.Symlink("/dev/zero", filepath.Join(path, "link.jwks")))
	for _, name := range []string{"pipe", "folder", "link"} {
		if got, err := s.Load(t.Context(), name); got != nil || err == nil {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	big, err := os.Create(filepath.Join(path, "big.jwks"))
	testkit.WantNoError(t, err)
	testkit.WantNoError(t, big.Truncate(65<<20))
	testkit.WantNoError(t, big.Close())
	if got, err := s.Load(t.Context(), "big"); got != nil || err == nil || !strings.Contains(err.Error(), "larger than 64 MiB") {
		t.Errorf("65 MiB: %d bytes, %v", len(got), err)
	}
	testkit.WantNoError(t, s.Save(t.Context(), "link", []byte("x"))) // in place of the link
	if got, err := s.Load(t.Context(), "link"); string(got) != "x" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Load(ctx, "link"); err == nil {
		t.Error("it loads for who has gone")
	}
	if err := s.Save(ctx, "link", nil); err == nil {
		t.Error("it saves for who has gone")
	}
}

// Failed saves leave nothing, and what killed ones left is removed in the end.
func TestDir_LeavesNoRubbish(t *testing.T) {
	path := t.TempDir()
	testkit.WantNoError(t, os.Chmod(path, 0o700))
	s, err := jwksstore.Dir(path)
	testkit.WantNoError(t, err)
	testkit.WantNoError(t, os.MkdirAll(filepath.Join(path, "folder.jwks", "full"), 0o700))
	if err := s.Save(t.Context(), "folder", []byte("x")); err == nil {
		t.Error("a folder was replaced")
	}
	left := func() (names []string) {
		files, err := os.ReadDir(path)
		testkit.WantNoError(t, err)
		for _, f := range files {
			names = append(names, f.Name())
		}
		return names
	}
	if names := left(); len(names) != 1 {
		t.Errorf("%q", names)
	}
	for name, age := range map[string]time.Duration{"old.jwks.tmp-1": 61 * time.Minute, "new.jwks.tmp-2": 59 * time.Minute, "other.tmp-1": 48 * time.Hour} {
		file := filepath.Join(path, name)
		testkit.WantNoError(t, os.WriteFile(file, nil, 0o600))
		testkit.WantNoError(t, os.Chtimes(file, time.Time{}, time.Now().Add(-age)))
	}
	if _, err := jwksstore.Dir(path); err != nil {
		t.Error(err)
	}
	if names := strings.Join(left(), " "); names != "folder.jwks new.jwks.tmp-2 other.tmp-1" {
		t.Error(names)
	}
}

// ending is a context that ends once somebody has looked at it.
type ending struct {
	context.Context
	looked bool
}

func (c *ending) Err() error {
	if c.looked {
		return context.DeadlineExceeded
	}
	c.looked = true
	return nil
}

// A save that the disk held up beyond its time does not replace the record of a
// later one.
func TestDir_LateSave(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	s, err := jwksstore.Dir(path)
	testkit.WantNoError(t, err)
	testkit.WantNoError(t, s.Save(t.Context(), "name", []byte("newer")))
	if err := s.Save(&ending{Context: t.Context()}, "name", []byte("older")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if got, err := s.Load(t.Context(), "name"); string(got) != "newer" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if files, err := os.ReadDir(path); len(files) != 1 || err != nil {
		t.Errorf("%v, %v", files, err)
	}
}

// A service that was restarted goes on with what is in the directory.
func TestDir_Restart(t *testing.T) {
	testkit.Bubble(t, "in an outage", func(t *testing.T) {
		env := testkit.NewEnv(t)
		path := filepath.Join(t.TempDir(), "keys")
		for range 2 {
			s, err := jwksstore.Dir(path)
			testkit.WantNoError(t, err)
			c := env.NewClient(jwks.WithStore(s, bytes.Repeat([]byte("s"), 32)))
			if _, err := c.Key(t.Context(), "k1"); err != nil {
				t.Fatal(err)
			}
			testkit.WantNoError(t, c.Close()) // waits until it is saved
		}
		if n := len(env.TakeRequests(testkit.KeySetPath)); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}
