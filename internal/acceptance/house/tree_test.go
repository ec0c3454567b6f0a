package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks/internal/testkit"
)

const module = "github.com/seed-22400188/jwks"

// tree is the Go code of the repository, nested modules included.
type tree struct {
	fset  *token.FileSet
	files []file
}

// file is one Go file.
type file struct {
	path   string // from the root, with slashes
	lines  int
	syntax *ast.File
}

func (f file) isTest() bool   { return strings.HasSuffix(f.path, "_test.go") }
func (f file) folder() string { return path.Dir(f.path) }
func (f file) inRoot() bool   { return f.folder() == "." }

// imports lists the packages of the module that the file imports, from the
// root; "." is the root itself.
func (f file) imports() []string {
	var ours []string
	for _, spec := range f.syntax.Imports {
		name := strings.Trim(spec.Path.Value, `"`)
		if name == module {
			ours = append(ours, ".")
		} else if rest, ok := strings.CutPrefix(name, module+"/"); ok {
			ours = append(ours, rest)
		}
	}
	return ours
}

// functions lists the functions and methods of the file.
func (f file) functions() []*ast.FuncDecl {
	var list []*ast.FuncDecl
	for _, d := range f.syntax.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			list = append(list, fn)
		}
	}
	return list
}

// receiver is the name of the type that a method belongs to, or "".
func receiver(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return ""
	}
	expr := fn.Recv.List[0].Type
	for {
		switch e := expr.(type) {
		case *ast.StarExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.Ident:
			return e.Name
		default:
			return ""
		}
	}
}

// parse reads sources, by path.
func parse(t *testing.T, sources map[string]string) tree {
	t.Helper()
	result := tree{fset: token.NewFileSet()}
	for name, source := range sources {
		syntax, err := parser.ParseFile(result.fset, name, source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		result.files = append(result.files, file{name, strings.Count(source, "\n"), syntax})
	}
	slices.SortFunc(result.files, func(a, b file) int { return strings.Compare(a.path, b.path) })
	return result
}

// repository reads the Go code of the repository.
func repository(t *testing.T) tree {
	t.Helper()
	root := testkit.Root(t)
	sources := map[string]string{}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && name != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata") {
			return filepath.SkipDir
		}
		if entry.IsDir() || filepath.Ext(name) != ".go" {
			return nil
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		short, err := filepath.Rel(root, name)
		sources[filepath.ToSlash(short)] = string(source)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, sources)
}
