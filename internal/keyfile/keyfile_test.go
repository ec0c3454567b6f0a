package keyfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRead_Limits(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keys")
	if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		rule, path string
		limit      int64
		want, err  string
	}{
		{"as long as the limit", path, 5, "12345", ""},
		{"through a link", link, 5, "12345", ""},
		{"longer", path, 4, "", "it is longer than the limit of 4 bytes"},
		{"a folder", dir, 5, "", "it is not a regular file"},
		{"a device", os.DevNull, 5, "", "it is not a regular file"},
		{"nothing there", filepath.Join(dir, "none"), 5, "", "no such file or directory"},
	} {
		text, err := Read(test.path, test.limit)
		switch {
		case test.err == "" && (err != nil || string(text) != test.want):
			t.Errorf("%s: %q, %v", test.rule, text, err)
		case test.err != "" && (text != nil || err == nil || !strings.Contains(err.Error(), test.err) || strings.Contains(err.Error(), dir)):
			t.Errorf("%s: %q, %v", test.rule, text, err)
		}
	}
	if _, err := Read(filepath.Join(dir, "none"), 5); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v does not match fs.ErrNotExist", err)
	}
}
