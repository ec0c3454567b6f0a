package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks/internal/testkit"
)

var (
	explained = regexp.MustCompile("(?m)^\\| (?:debug|info|warn|error)[a-z, ]* `([^`]+)`")
	logged    = regexp.MustCompile(`slog\.Level(?:Info|Warn|Error), "jwks: ([^"]+)"`)
)

// TestOperations_Lines: docs/operations.md explains the lines that are logged, and
// no others. It shows the beginning of a message, as far as it is constant.
func TestOperations_Lines(t *testing.T) {
	root := testkit.Root(t)
	page, err := os.ReadFile(filepath.Join(root, "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, pattern := range []string{"*.go", "jwkshttp/*.go"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if text, err := os.ReadFile(file); err == nil && !strings.HasSuffix(file, "_test.go") {
				source.Write(text)
			}
		}
	}
	var messages []string
	for _, m := range explained.FindAllStringSubmatch(string(page), -1) {
		messages = append(messages, m[1])
		if !strings.Contains(source.String(), `"jwks: `+m[1]) && !strings.Contains(source.String(), `"jwkshttp: `+m[1]) {
			t.Errorf("the page explains %q, which nothing logs", m[1])
		}
	}
	found := logged.FindAllStringSubmatch(source.String(), -1)
	for _, m := range found {
		if !slices.ContainsFunc(messages, func(message string) bool { return strings.HasPrefix(m[1], message) }) {
			t.Errorf("%q is logged, and the page does not explain it", m[1])
		}
	}
	if len(messages) < 10 || len(found) < 6 {
		t.Errorf("%d messages and %d lines were found, want more", len(messages), len(found))
	}
}
