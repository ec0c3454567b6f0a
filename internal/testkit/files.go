package testkit

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Testdata is the path of a file or folder below the module's testdata.
func Testdata(tb testing.TB, elem ...string) string {
	tb.Helper()
	return filepath.Join(append([]string{Root(tb), "testdata"}, elem...)...)
}

// SharedDir is a folder of real material that lies beside some checkouts and is
// not ours to copy: documents that issuers published, a token that has long
// expired. Where it is absent the test is skipped.
func SharedDir(tb testing.TB, elem ...string) string {
	tb.Helper()
	dir := filepath.Join(append([]string{Root(tb), "..", "shared"}, elem...)...)
	if _, err := os.Stat(dir); err != nil {
		tb.Skipf("the material of real issuers is not part of this repository, and not beside this checkout: %v", err)
	}
	return dir
}

// Root is the folder of the module: the nearest with a go.mod, upwards from that of
// the test, which is where go test runs it.
func Root(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		_, err := os.Stat(filepath.Join(dir, "go.mod"))
		if err == nil {
			return dir
		}
		if parent := filepath.Dir(dir); parent != dir && errors.Is(err, os.ErrNotExist) {
			dir = parent
			continue
		}
		tb.Fatalf("no go.mod above the folder of the test: %v", err)
	}
}
