package snippet

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Unit is what one section of a page gives to build: blocks in their order. A
// block sees the names that itself and earlier blocks of its section declare.
type Unit struct {
	File, Section string
	Module        string // folder of the module that has what it imports
	Blocks        []Block

	fset    *token.FileSet
	files   []*ast.File
	bodies  []span // statements: what they declare need not be used
	imports []string
}

type span struct{ from, to token.Pos }

// Units groups the Go blocks by page and section.
func Units(blocks []Block) []*Unit {
	var units []*Unit
	for _, b := range blocks {
		if b.Lang != "go" {
			continue
		}
		at := slices.IndexFunc(units, func(u *Unit) bool { return u.File == b.File && u.Section == b.Section })
		if at < 0 {
			units = append(units, &Unit{File: b.File, Section: b.Section})
			at = len(units) - 1
		}
		units[at].Blocks = append(units[at].Blocks, b)
	}
	return units
}

func (u *Unit) String() string { return fmt.Sprintf("%s, %q", u.File, u.Section) }

// Parse checks the form of each block and finds out what the unit imports.
// modules are the folders of all modules, "." among them.
func (u *Unit) Parse(modules []string) []string {
	u.fset = token.NewFileSet()
	var problems []string
	var decls, bodies []Block
	for _, b := range u.Blocks {
		problems = append(problems, checkForm(b)...)
		switch _, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+b.Text, 0); {
		case strings.HasPrefix(code(b.Text), "package "):
			if err := u.add(b.Text, b); err != nil {
				problems = append(problems, err.Error())
			}
		case err == nil:
			decls = append(decls, b)
		default:
			bodies = append(bodies, b)
		}
	}
	if len(decls)+len(bodies) > 0 {
		if err := u.wrap(decls, bodies); err != nil {
			problems = append(problems, err.Error())
		}
	}
	for _, f := range u.files {
		for _, spec := range f.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			u.imports = append(u.imports, path)
		}
	}
	u.Module = moduleOf(u.File, u.imports, modules)
	return problems
}

// checkForm reports what no block may have: an ellipsis, or another layout than
// gofmt's.
func checkForm(b Block) (problems []string) {
	for i, line := range strings.Split(b.Text, "\n") {
		if strings.Contains(line, "…") || strings.TrimSpace(line) == "..." || strings.HasSuffix(line, "// ...") {
			problems = append(problems, fmt.Sprintf("%s:%d: an ellipsis does not compile", b.File, b.Line+i))
		}
	}
	if want, err := format.Source([]byte(b.Text)); err == nil && strings.TrimRight(string(want), "\n") != strings.TrimRight(b.Text, "\n") {
		problems = append(problems, fmt.Sprintf("%s:%d: gofmt would write\n%s", b.File, b.Line, want))
	}
	return problems
}

// code is a text from its first line that is neither blank nor a comment.
func code(text string) string {
	for text != "" {
		line, rest, _ := strings.Cut(text, "\n")
		if t := strings.TrimSpace(line); t != "" && !strings.HasPrefix(t, "//") {
			return text
		}
		text = rest
	}
	return ""
}

func (u *Unit) add(text string, b Block) error {
	source := fmt.Sprintf("//line %s:%d\n%s", b.File, b.Line, text)
	f, err := parser.ParseFile(u.fset, fmt.Sprintf("snippet%d.go", len(u.files)), source, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	u.files = append(u.files, f)
	return nil
}

const bodyName = "snippet_"

// wrap puts declarations side by side and statements into one function, each
// block in the scope of the one before, with the imports that an editor would add.
func (u *Unit) wrap(decls, bodies []Block) error {
	name := "p"
	if len(u.files) > 0 {
		name = u.files[0].Name.Name
	}
	var imports []string
	for range 2 { // the first time to see what is missing
		f, err := parser.ParseFile(u.fset, "snippet.go", compose(name, imports, decls, bodies), 0)
		if err != nil {
			return err
		}
		if missing := missingImports(f); len(missing) > 0 {
			imports = missing
			continue
		}
		u.files = append(u.files, f)
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Name.Name == bodyName {
				u.bodies = append(u.bodies, span{d.Pos(), d.End()})
			}
		}
		return nil
	}
	return fmt.Errorf("%s: a name of a package is unknown", u)
}

func compose(name string, imports []string, decls, bodies []Block) string {
	var s strings.Builder
	fmt.Fprintf(&s, "package %s\n", name)
	for _, path := range imports {
		fmt.Fprintf(&s, "import %q\n", path)
	}
	for _, b := range decls {
		fmt.Fprintf(&s, "//line %s:%d\n%s\n", b.File, b.Line, b.Text)
	}
	if len(bodies) > 0 {
		fmt.Fprintf(&s, "func %s() {\n", bodyName)
		for _, b := range bodies {
			fmt.Fprintf(&s, "{\n//line %s:%d\n%s\n", b.File, b.Line, b.Text)
		}
		s.WriteString(strings.Repeat("}\n", len(bodies)+1))
	}
	return s.String()
}

// missingImports are those that name a package which is not imported yet.
func missingImports(f *ast.File) []string {
	have := map[string]bool{}
	for _, spec := range f.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		have[path] = true
	}
	var missing []string
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Obj == nil {
			if path := packages[x.Name]; path != "" && !have[path] {
				have[path] = true
				missing = append(missing, path)
			}
		}
		return true
	})
	return missing
}

// Check builds units of one module with the types that its packages really have,
// and returns what does not compile.
func Check(root, module string, units []*Unit) ([]string, error) {
	var paths []string
	for _, u := range units {
		paths = append(paths, u.imports...)
	}
	exports, err := exportData(filepath.Join(root, module), paths)
	if err != nil {
		return nil, err
	}
	var problems []string
	for _, u := range units {
		lookup := func(path string) (io.ReadCloser, error) {
			if exports[path] == "" {
				return nil, fmt.Errorf("package %s was not found", path)
			}
			return os.Open(exports[path])
		}
		config := types.Config{
			Importer: importer.ForCompiler(u.fset, "gc", lookup),
			Error: func(err error) {
				e := err.(types.Error)
				if e.Soft && slices.ContainsFunc(u.bodies, func(s span) bool { return s.from <= e.Pos && e.Pos <= s.to }) {
					return // a fragment may leave a variable to the reader
				}
				problems = append(problems, fmt.Sprintf("%s: %s", u.fset.Position(e.Pos), e.Msg))
			},
		}
		uses := map[*ast.Ident]types.Object{}
		pkg, _ := config.Check("snippet", u.fset, u.files, &types.Info{Uses: uses}) // Error has its problems
		problems = append(problems, u.tooEarly(pkg, uses)...)
	}
	slices.Sort(problems)
	return problems, nil
}

// tooEarly reports names that a block uses and only a later one declares.
func (u *Unit) tooEarly(pkg *types.Package, uses map[*ast.Ident]types.Object) (problems []string) {
	for name, object := range uses {
		if object.Pkg() != pkg || !object.Pos().IsValid() {
			continue
		}
		use, declared := u.fset.Position(name.Pos()), u.fset.Position(object.Pos())
		for _, b := range u.Blocks {
			end := b.Line + strings.Count(b.Text, "\n")
			if b.Line <= use.Line && use.Line <= end && declared.Line > end {
				problems = append(problems, fmt.Sprintf("%s: %s is declared further down", use, name.Name))
			}
		}
	}
	return problems
}

// exportData compiles packages, which the build cache makes fast, and returns
// where their types are.
func exportData(dir string, paths []string) (map[string]string, error) {
	slices.Sort(paths)
	paths = slices.Compact(paths)
	args := append([]string{"list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}", "--"}, paths...)
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list in %s: %w\n%s", dir, err, stderr.String())
	}
	exports := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "\t")
		exports[path] = file
	}
	return exports, nil
}
