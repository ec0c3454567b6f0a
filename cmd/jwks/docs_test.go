package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks/internal/testkit"
)

func readDoc(t *testing.T, elem ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{testkit.Root(t)}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// TestDocs_DoctorHeadings: every finding has its heading, in order, and every
// heading its finding.
func TestDocs_DoctorHeadings(t *testing.T) {
	var headings, names []string
	for _, m := range regexp.MustCompile(`(?m)^## (.*)$`).FindAllStringSubmatch(readDoc(t, "docs", "doctor.md"), -1) {
		headings = append(headings, m[1])
	}
	for _, r := range rules {
		names = append(names, r.name)
	}
	if got, want := strings.Join(headings, " "), strings.Join(names, " "); got != want || len(names) < 20 {
		t.Errorf("headings %s\nfindings %s", got, want)
	}
}

// TestDocs_Transcripts: docs/command.md shows what the golden files have.
func TestDocs_Transcripts(t *testing.T) {
	text := readDoc(t, "docs", "command.md")
	files, err := filepath.Glob(filepath.Join("testdata", "*.golden"))
	if err != nil || len(files) < 20 {
		t.Fatalf("%d golden files, %v", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		if strings.HasPrefix(name, "help-") || strings.HasPrefix(name, "completion-") {
			continue // they say the same at the terminal
		}
		if golden := strings.TrimSpace(readDoc(t, "cmd", "jwks", file)); !strings.Contains(text, golden+"\n```") {
			t.Errorf("docs/command.md does not show %s as it is", name)
		}
	}
	for _, c := range commands() {
		f := newFlags(c.name)
		c.prepare(f)
		for name := range f.shared {
			if !strings.Contains(text, "-"+name) {
				t.Errorf("docs/command.md does not name -%s", name)
			}
		}
	}
}
