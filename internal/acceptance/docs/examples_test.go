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

// topics are what a reader looks for an example of, besides constructors.
var topics = []string{
	"WithLogger", "WithObserver", "Client_Run", "WithTLSConfig", "WithKeySet", "WithRetention", "WithTenants",
	"WithAccessTokenProfile", "Verifier_Explain", "WithStore", "ForIssuer", "WithKeyFile",
}

// constructor matches functions that begin a program's use of a package. Where a
// package has another name for it, it is listed.
var constructor = regexp.MustCompile(`^(New|Parse)\w*$|^(AnyOf|Start|Middleware|InCluster|Issuer|Dir|Memory|StatusHandler)$`)

// TestExamples_Constructors: every constructor has an example that is run.
func TestExamples_Constructors(t *testing.T) {
	root := testkit.Root(t)
	n := 0
	for _, folder := range []string{".", "jwkstest", "jwkshttp", "jwkskube", "jwksstore", "cfaccess", "awsalb", "dpop"} {
		functions, examples := declared(t, filepath.Join(root, folder))
		for name := range functions {
			if constructor.MatchString(name) && name != "NewProofKey" {
				n++
				if !examples[name] {
					t.Errorf("%s: %s has no example", folder, name)
				}
			}
		}
		if folder == "." {
			for _, topic := range topics {
				if !examples[topic] {
					t.Errorf("there is no Example%s", topic)
				}
			}
		}
	}
	if n < 12 {
		t.Errorf("%d constructors were found, want more", n)
	}
}

// declared lists the exported functions of a package, and what its examples with
// an output are of.
func declared(t *testing.T, dir string) (functions, examples map[string]bool) {
	t.Helper()
	functions, examples = map[string]bool{}, map[string]bool{}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || !fn.Name.IsExported() {
				continue
			}
			of, isExample := strings.CutPrefix(fn.Name.Name, "Example")
			switch {
			case !strings.HasSuffix(file, "_test.go"):
				functions[fn.Name.Name] = true
			case isExample && hasOutput(f, fn):
				examples[of] = true
				if base, suffix, found := strings.Cut(of, "_"); found && suffix != "" && suffix[0] >= 'a' {
					examples[base] = true
				}
			}
		}
	}
	return functions, examples
}

// hasOutput tells whether an example ends in a comment "Output:", without which
// it is compiled and not run.
func hasOutput(f *ast.File, fn *ast.FuncDecl) bool {
	for _, c := range f.Comments {
		if fn.Body.Pos() < c.Pos() && c.End() < fn.Body.End() && strings.HasPrefix(strings.ToLower(c.Text()), "output:") {
			return true
		}
	}
	return false
}

// TestOptions_Listed: docs/options.md names every option, so that nobody has to
// know the package documentation to find one.
func TestOptions_Listed(t *testing.T) {
	root := testkit.Root(t)
	page, err := os.ReadFile(filepath.Join(root, "docs", "options.md"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, folder := range []string{".", "jwkshttp"} {
		for _, name := range optionsOf(t, filepath.Join(root, folder)) {
			n++
			if !strings.Contains(string(page), "`"+name+"`") {
				t.Errorf("docs/options.md does not name %s", name)
			}
		}
	}
	if n < 60 {
		t.Errorf("%d options were found, want more", n)
	}
}

// optionsOf lists the exported functions of a package that return an option.
func optionsOf(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || !fn.Name.IsExported() || fn.Type.Results.NumFields() != 1 {
				continue
			}
			if result, ok := fn.Type.Results.List[0].Type.(*ast.Ident); ok && strings.HasSuffix(result.Name, "Option") {
				names = append(names, fn.Name.Name)
			}
		}
	}
	return names
}
