// Package docs checks the documentation as its readers use it: snippets are
// built as pasted, links are followed, commands must exist.
package docs

import (
	"flag"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks/internal/snippet"
	"github.com/seed-22400188/jwks/internal/testkit"

	_ "github.com/seed-22400188/jwks/awsalb" // what snippets use: a change of it runs the tests anew
	_ "github.com/seed-22400188/jwks/cfaccess"
	_ "github.com/seed-22400188/jwks/dpop"
	_ "github.com/seed-22400188/jwks/jwkshttp"
	_ "github.com/seed-22400188/jwks/jwkskube"
	_ "github.com/seed-22400188/jwks/jwksstore"
)

var withModules = flag.Bool("modules", false, "build the snippets of nested modules too, whose dependencies are downloaded")

const maxReadmeLines = 250

func TestSnippets_Build(t *testing.T) {
	needGo(t)
	root := testkit.Root(t)
	byModule := unitsByModule(t, root)
	if n := len(byModule["."]); n < 10 {
		t.Fatalf("%d sections with Go code were found, want more", n)
	}
	for module, units := range byModule {
		t.Run(module, func(t *testing.T) {
			if module != "." && !*withModules {
				t.Skip("make modules builds these")
			}
			problems, err := snippet.Check(root, module, units)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range problems {
				t.Error(p)
			}
		})
	}
}

// needGo skips a test that runs the go command where only its binary was brought.
func needGo(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not in PATH: run this by go test")
	}
}

// unitsByModule is all Go code of pages and package comments.
func unitsByModule(t *testing.T, root string) map[string][]*snippet.Unit {
	modules, err := snippet.Modules(root)
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := snippet.PackageComments(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages(t, root) {
		blocks = append(blocks, p.Blocks...)
	}
	byModule := map[string][]*snippet.Unit{}
	for _, u := range snippet.Units(blocks) {
		for _, problem := range u.Parse(modules) {
			t.Error(problem)
		}
		byModule[u.Module] = append(byModule[u.Module], u)
	}
	return byModule
}

func pages(t *testing.T, root string) []snippet.Page {
	t.Helper()
	pages, err := snippet.Pages(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) < 15 {
		t.Fatalf("%d pages were found, want more", len(pages))
	}
	return pages
}

func TestLinks_Lead(t *testing.T) {
	root := testkit.Root(t)
	for _, broken := range snippet.BrokenLinks(root, pages(t, root)) {
		t.Error(broken)
	}
}

func TestCommands_Exist(t *testing.T) {
	root := testkit.Root(t)
	n := 0
	for _, p := range pages(t, root) {
		for _, c := range p.Commands() {
			n++
			if why := c.WhyNot(root); why != "" {
				t.Errorf("%s:%d: %s: %s", c.File, c.Line, c.Text, why)
			}
		}
	}
	if n < 20 {
		t.Errorf("%d commands were found, want more", n)
	}
}

func TestReadme_Length(t *testing.T) {
	for _, p := range pages(t, testkit.Root(t)) {
		if p.File != "README.md" {
			continue
		}
		last := p.Prose[len(p.Prose)-1].Number
		if last > maxReadmeLines+1 { // the text ends in a line break
			t.Errorf("README.md has %d lines, want at most %d", last-1, maxReadmeLines)
		}
		return
	}
	t.Error("README.md was not found")
}

// TestMigration_Headings: every page about moving says what changes.
func TestMigration_Headings(t *testing.T) {
	n := 0
	for _, p := range pages(t, testkit.Root(t)) {
		if name := filepath.Base(p.File); !strings.HasPrefix(p.File, "docs/") || !strings.HasPrefix(name, "from-") {
			continue
		}
		n++
		if !slices.Contains(p.Headings, "What changes for you") {
			t.Errorf("%s has no heading %q", p.File, "What changes for you")
		}
	}
	if n == 0 {
		t.Error("there is no page about moving from another library")
	}
}
