package recipes

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks/internal/snippet"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// TestRecipes_OptionsOfThePage compares what the pages show with what the tests
// verify with: the arguments of NewClient and NewVerifier, as source text.
func TestRecipes_OptionsOfThePage(t *testing.T) {
	tested := map[string]options{}
	for _, file := range []string{"table_test.go", "more_test.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if lit, ok := n.(*ast.CompositeLit); ok {
				if name, o := ofRow(lit); name != "" {
					tested[name] = o
				}
			}
			return true
		})
	}
	for _, r := range slices.Concat(recipes, selfHosted) {
		t.Run(r.name, func(t *testing.T) {
			shown := ofPage(t, r.page, r.name)
			if got, want := shown.client, tested[r.name].client; !slices.Equal(got, want) {
				t.Errorf("%s shows NewClient with\n  %s\nand the test has\n  %s", r.page, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
			}
			if got, want := shown.verifier, tested[r.name].verifier; !slices.Equal(got, want) {
				t.Errorf("%s shows NewVerifier with\n  %s\nand the test has\n  %s", r.page, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
			}
		})
	}
}

// TestRecipes_EveryPage: a page under docs/recipes has a row, or a test of its own.
func TestRecipes_EveryPage(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(testkit.Root(t), "docs", "recipes", "*.md"))
	if err != nil || len(pages) < 19 {
		t.Fatal(len(pages), "pages", err)
	}
	for _, page := range pages {
		name := filepath.Base(page)
		row := slices.ContainsFunc(slices.Concat(recipes, selfHosted), func(r recipe) bool { return r.page == name })
		if !row && !slices.Contains([]string{"README.md", "cloudflare.md", "aws-alb.md"}, name) {
			t.Errorf("%s has no row", name)
		}
	}
}

type options struct{ client, verifier []string }

// ofRow reads a row of the table: its name, and the source of its options.
func ofRow(lit *ast.CompositeLit) (name string, o options) {
	for _, e := range lit.Elts {
		kv, ok := e.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		switch key, _ := kv.Key.(*ast.Ident); {
		case key == nil:
		case key.Name == "name":
			if value, ok := kv.Value.(*ast.BasicLit); ok {
				name = strings.Trim(value.Value, `"`)
			}
		case key.Name == "client":
			o.client = sources(kv.Value.(*ast.CompositeLit).Elts)
		case key.Name == "verifier":
			o.verifier = sources(kv.Value.(*ast.CompositeLit).Elts)
		}
	}
	return name, o
}

// ofPage reads the section of a page that has the name of a row.
func ofPage(t *testing.T, page, section string) options {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testkit.Root(t), "docs", "recipes", page))
	if err != nil {
		t.Fatal(err)
	}
	var o options
	for _, b := range snippet.ParsePage(page, string(text)).Blocks {
		if b.Section != section || b.Lang != "go" {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), page, "package p\nfunc _() {\n"+b.Text+"\n}", parser.SkipObjectResolution)
		if err != nil {
			continue // declarations: the test of all snippets builds them
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				switch sources([]ast.Expr{call.Fun})[0] {
				case "jwks.NewClient":
					o.client = sources(call.Args)
				case "jwks.NewVerifier":
					o.verifier = sources(call.Args[1:])
				}
			}
			return true
		})
	}
	return o
}

func sources(exprs []ast.Expr) []string {
	var texts []string
	for _, e := range exprs {
		var b bytes.Buffer
		if err := printer.Fprint(&b, token.NewFileSet(), e); err != nil {
			panic(err)
		}
		texts = append(texts, strings.ReplaceAll(b.String(), " ", ""))
	}
	return texts
}
