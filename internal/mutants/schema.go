package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strings"
)

// The test binaries hold all mutants of a run: each is a copy of its function
// with the change in it, and the function itself begins with a jump to the copy
// that an environment variable names:
//
//	func Clamp(n int) int { if mutantª != 0 { switch mutantª { case 7: return mutant7ªClamp(n) } };
const (
	mark     = "ª" // in every identifier that is added, so that none is there already
	active   = "mutant" + mark
	variable = "MUTANT_ACTIVE"
)

// activeFile is the file that each package with copies gets.
const activeFile = "mutant_active_overlay.go"

const activeText = `package %s

import (
	"os"
	"strconv"
)

var ` + active + `, _ = strconv.Atoi(os.Getenv("` + variable + `"))
`

// span says which lines of a schema are the copy of a mutant.
type span struct {
	mutant      *mutant
	first, last int
}

// schema is a file with copies of its functions.
type schema struct {
	name  string // of the package
	text  []byte
	spans []span
}

// edit replaces bytes of a file.
type edit struct {
	from, to int
	text     string
}

// schemer writes the copies for one file.
type schemer struct {
	set    *token.FileSet
	tree   *ast.File
	source []byte
	edits  []edit
	copies bytes.Buffer
	spans  []span
	lines  int // of the file and the copies so far
}

// schemaOf writes a copy of its function for each of the mutants of a file, as
// far as that is possible.
func schemaOf(file string, source []byte, mutants []*mutant) (schema, error) {
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, file, source, parser.SkipObjectResolution|parser.ParseComments)
	if err != nil {
		return schema{}, err
	}
	s := &schemer{set: set, tree: tree, source: source, lines: 1 + bytes.Count(source, []byte("\n"))}
	for _, d := range tree.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && s.copyable(f) {
			s.function(f, mutants)
		}
	}
	return schema{tree.Name.Name, s.result(), s.spans}, nil
}

func (s *schemer) offset(p token.Pos) int { return s.set.Position(p).Offset }

// copyable tells whether another function can do the work of this one. It
// cannot where it matters which function it is.
func (s *schemer) copyable(f *ast.FuncDecl) bool {
	if f.Body == nil || f.Name.Name == "_" || f.Recv == nil && f.Name.Name == "init" || bytes.Contains(s.source, []byte(mark)) {
		return false
	}
	if slices.Contains(namesOf(f.Type.TypeParams), "_") {
		return false
	}
	for _, group := range s.tree.Comments {
		for _, c := range group.List {
			if strings.HasPrefix(c.Text, "//go:linkname "+f.Name.Name+" ") {
				return false
			}
		}
	}
	return !knowsItsCaller(f.Body)
}

// knowsItsCaller finds calls of recover, which works only in the function that
// was deferred, and of runtime.Caller.
func knowsItsCaller(body *ast.BlockStmt) bool {
	found := false
	depth := []bool{} // for each open node: is it a function literal
	ast.Inspect(body, func(n ast.Node) bool {
		if n == nil {
			depth = depth[:len(depth)-1]
			return true
		}
		_, literal := n.(*ast.FuncLit)
		depth = append(depth, literal)
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		switch x := call.Fun.(type) {
		case *ast.Ident:
			found = found || x.Name == "recover" && !slices.Contains(depth, true)
		case *ast.SelectorExpr:
			p, ok := x.X.(*ast.Ident)
			found = found || ok && p.Name == "runtime" && strings.HasPrefix(x.Sel.Name, "Caller")
		}
		return true
	})
	return found
}

// function adds the jump and the copies to one function.
func (s *schemer) function(f *ast.FuncDecl, mutants []*mutant) {
	begin, end := s.offset(f.Body.Lbrace), s.offset(f.Body.Rbrace)
	mutants = slices.DeleteFunc(slices.Clone(mutants), func(m *mutant) bool { return m.from <= begin || m.to > end })
	if len(mutants) == 0 {
		return
	}
	receiver, after := "", s.arguments(f)
	if f.Recv != nil {
		receiver = s.names(f.Recv, "receiver")[0] + "."
	}
	var jump strings.Builder
	fmt.Fprintf(&jump, " if %s != 0 { switch %s {", active, active)
	for _, m := range mutants {
		name := fmt.Sprintf("mutant%d%s%s", m.id, mark, f.Name.Name)
		if f.Type.Results.NumFields() > 0 {
			fmt.Fprintf(&jump, " case %d: return %s%s%s;", m.id, receiver, name, after)
		} else {
			fmt.Fprintf(&jump, " case %d: %s%s%s; return;", m.id, receiver, name, after)
		}
		s.copy(f, m, name)
	}
	jump.WriteString(" } };")
	s.edits = append(s.edits, edit{begin + 1, begin + 1, jump.String()})
}

// copy writes the function with a mutant in it under another name.
func (s *schemer) copy(f *ast.FuncDecl, m *mutant, name string) {
	start := s.copies.Len()
	s.copies.WriteString("\n")
	s.copies.Write(s.source[s.offset(f.Pos()):s.offset(f.Name.Pos())])
	s.copies.WriteString(name)
	s.copies.Write(s.source[s.offset(f.Name.End()):m.from])
	s.copies.WriteString(m.text)
	s.copies.Write(s.source[m.to:s.offset(f.End())])
	s.copies.WriteString("\n")
	first := s.lines + 1
	s.lines += bytes.Count(s.copies.Bytes()[start:], []byte("\n"))
	s.spans = append(s.spans, span{m, first, s.lines})
}

// arguments is what a copy is called with: the type parameters of the function
// and its parameters.
func (s *schemer) arguments(f *ast.FuncDecl) string {
	types := ""
	if names := namesOf(f.Type.TypeParams); len(names) > 0 {
		types = "[" + strings.Join(names, ", ") + "]"
	}
	names := s.names(f.Type.Params, "argument")
	dots := ""
	if n := len(f.Type.Params.List); n > 0 {
		if _, ok := f.Type.Params.List[n-1].Type.(*ast.Ellipsis); ok {
			dots = "..."
		}
	}
	return types + "(" + strings.Join(names, ", ") + dots + ")"
}

// names lists the names in a list of parameters, after giving one to each that
// has none.
func (s *schemer) names(list *ast.FieldList, word string) []string {
	var names []string
	for _, field := range list.List {
		if len(field.Names) == 0 {
			name := fmt.Sprint(word, mark, len(names))
			at := s.offset(field.Type.Pos())
			s.edits = append(s.edits, edit{at, at, name + " "})
			names = append(names, name)
		}
		for _, x := range field.Names {
			name := x.Name
			if name == "_" {
				name = fmt.Sprint(word, mark, len(names))
				s.edits = append(s.edits, edit{s.offset(x.Pos()), s.offset(x.End()), name})
			}
			names = append(names, name)
		}
	}
	return names
}

func namesOf(list *ast.FieldList) []string {
	var names []string
	if list != nil {
		for _, field := range list.List {
			for _, x := range field.Names {
				names = append(names, x.Name)
			}
		}
	}
	return names
}

// result carries out the edits, none of which adds a line, and appends the
// copies.
func (s *schemer) result() []byte {
	slices.SortStableFunc(s.edits, func(a, b edit) int { return a.from - b.from })
	var text bytes.Buffer
	at := 0
	for _, e := range s.edits {
		text.Write(s.source[at:e.from])
		text.WriteString(e.text)
		at = e.to
	}
	text.Write(s.source[at:])
	text.WriteString("\n")
	text.Write(s.copies.Bytes())
	return text.Bytes()
}

// overlayOf is the text of the files with the copies of their mutants, and of
// the file that each of their packages gets, by name.
func overlayOf(mutants []*mutant, sources map[string][]byte) (map[string][]byte, map[string][]span, error) {
	byFile := map[string][]*mutant{}
	for _, m := range mutants {
		byFile[m.file] = append(byFile[m.file], m)
	}
	replace, spans := map[string][]byte{}, map[string][]span{}
	for file, some := range byFile {
		s, err := schemaOf(file, sources[file], some)
		if err != nil {
			return nil, nil, err
		}
		if len(s.spans) > 0 {
			replace[file], spans[file] = s.text, s.spans
			replace[path.Join(path.Dir(file), activeFile)] = fmt.Appendf(nil, activeText, s.name)
		}
	}
	return replace, spans, nil
}
