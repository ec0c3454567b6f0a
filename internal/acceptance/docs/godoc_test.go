package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks/internal/testkit"
)

// column is a run of spaces that a comment means as a gap between columns. Only
// in a code block, which is indented by a tab, does pkg.go.dev keep it.
var column = regexp.MustCompile(`\S {3,}\S`)

// TestGodoc_Columns: no documentation comment has columns that are lost where it
// is read.
func TestGodoc_Columns(t *testing.T) {
	root := testkit.Root(t)
	n := 0
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules" || d.Name() == "internal" && path == filepath.Join(root, "internal")):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		for _, doc := range documentation(f) {
			n++
			for i, line := range strings.Split(doc.Text(), "\n") {
				if !strings.HasPrefix(line, "\t") && column.MatchString(line) {
					name, _ := filepath.Rel(root, path)
					t.Errorf("%s:%d: columns outside a code block: %q", name, fset.Position(doc.Pos()).Line+i, line)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 200 {
		t.Errorf("%d comments were found, want more", n)
	}
}

// documentation lists the comments of a file that pkg.go.dev shows.
func documentation(f *ast.File) (docs []*ast.CommentGroup) {
	add := func(doc *ast.CommentGroup) {
		if doc != nil {
			docs = append(docs, doc)
		}
	}
	add(f.Doc)
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() {
				add(d.Doc)
			}
		case *ast.GenDecl:
			add(d.Doc)
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					add(spec.Doc)
				case *ast.ValueSpec:
					add(spec.Doc)
				}
			}
		}
	}
	return docs
}
