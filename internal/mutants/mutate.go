package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math/big"
	"slices"
	"strings"
)

// mutant is one change to one file.
type mutant struct {
	file     string // relative to the root of the module, with slashes
	function string // "Type.Method", "function", or "" outside any
	line     int
	kind     string // what was done, in two words
	from, to int    // the bytes that are replaced
	text     string // by this
	was, is  string // the line before and after, or the first line of what was dropped
	id       int    // of its copy in the test binaries; 0 is none
}

// key names a mutant without its line number, which every edit above it moves.
func (m *mutant) key() string { return m.file + "\n" + m.function + "\n" + m.was + "\n" + m.is }

// apply returns the changed file.
func (m *mutant) apply(source []byte) []byte {
	return slices.Concat(source[:m.from], []byte(m.text), source[m.to:])
}

// mutator finds the changes to one file.
type mutator struct {
	file     string
	source   []byte
	set      *token.FileSet
	function string
	found    []*mutant
}

// mutantsOf lists the changes to a file, in the order of the text.
func mutantsOf(file string, source []byte) ([]*mutant, error) {
	m := &mutator{file: file, source: source, set: token.NewFileSet()}
	tree, err := parser.ParseFile(m.set, file, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, d := range tree.Decls {
		m.function = ""
		if f, ok := d.(*ast.FuncDecl); ok {
			m.function = nameOf(f)
		}
		if g, ok := d.(*ast.GenDecl); ok && (g.Tok == token.IMPORT || g.Tok == token.TYPE) {
			continue
		}
		ast.Inspect(d, m.visit)
	}
	slices.SortStableFunc(m.found, func(a, b *mutant) int { return a.from - b.from })
	m.number()
	return m.found, nil
}

// number tells changes apart that look alike in one function.
func (m *mutator) number() {
	seen := map[string]int{}
	for _, x := range m.found {
		k := x.key()
		if seen[k]++; seen[k] > 1 {
			x.is += fmt.Sprintf(" // the same, %d", seen[k])
		}
	}
}

func nameOf(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return f.Name.Name
	}
	t := f.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
			continue
		case *ast.IndexExpr:
			t = x.X
			continue
		case *ast.Ident:
			return x.Name + "." + f.Name.Name
		}
		return f.Name.Name
	}
}

func (m *mutator) offset(p token.Pos) int { return m.set.Position(p).Offset }

// add notes a change of the text between two positions.
func (m *mutator) add(kind string, from, to token.Pos, text string) {
	x := &mutant{file: m.file, function: m.function, kind: kind, from: m.offset(from), to: m.offset(to), text: text, line: m.set.Position(from).Line}
	start := bytes.LastIndexByte(m.source[:x.from], '\n') + 1
	lineAt := func(source []byte, end int) string {
		if i := bytes.IndexByte(source[end:], '\n'); i >= 0 {
			end += i
		} else {
			end = len(source)
		}
		first, rest, several := strings.Cut(strings.TrimSpace(string(source[start:end])), "\n")
		if several && strings.TrimSpace(rest) != "" {
			first += " …"
		}
		return first
	}
	x.was = lineAt(m.source, x.to)
	changed := x.apply(m.source)
	x.is = lineAt(changed, x.from+len(text))
	if x.is == "" {
		x.is = "(dropped)"
	}
	m.found = append(m.found, x)
}

// operators are what stands in for an operator.
var operators = map[token.Token][]string{
	token.LSS: {"<=", ">="}, token.LEQ: {"<", ">"}, token.GTR: {">=", "<="}, token.GEQ: {">", "<"},
	token.EQL: {"!="}, token.NEQ: {"=="},
	token.LAND: {"||"}, token.LOR: {"&&"},
	token.ADD: {"-"}, token.SUB: {"+"}, token.MUL: {"/"}, token.QUO: {"*"}, token.REM: {"*"},
	token.SHL: {">>"}, token.SHR: {"<<"}, token.AND: {"|"}, token.OR: {"&"}, token.AND_NOT: {"&"},
}

// assignments are what stands in for one that computes.
var assignments = map[token.Token]string{
	token.ADD_ASSIGN: "-=", token.SUB_ASSIGN: "+=", token.MUL_ASSIGN: "/=", token.QUO_ASSIGN: "*=", token.OR_ASSIGN: "&=", token.AND_ASSIGN: "|=",
}

func (m *mutator) visit(n ast.Node) bool {
	switch x := n.(type) {
	case *ast.BinaryExpr:
		for _, other := range operators[x.Op] {
			m.add("other operator", x.OpPos, x.OpPos+token.Pos(len(x.Op.String())), other)
		}
	case *ast.BasicLit:
		m.literal(x)
	case *ast.Ident:
		if other := map[string]string{"true": "false", "false": "true"}[x.Name]; other != "" {
			m.add("other constant", x.Pos(), x.End(), other)
		}
	case *ast.CallExpr:
		if f, ok := x.Fun.(*ast.Ident); ok && len(x.Args) > 1 {
			if other := map[string]string{"min": "max", "max": "min"}[f.Name]; other != "" {
				m.add("other function", f.Pos(), f.End(), other)
			}
		}
	case *ast.IfStmt:
		m.condition(x)
	case *ast.BlockStmt:
		m.statements(x.List)
	case *ast.CaseClause:
		m.statements(x.Body)
	case *ast.CommClause:
		m.statements(x.Body)
	case *ast.SwitchStmt:
		m.swapCases(x.Body)
	case *ast.TypeSwitchStmt:
		m.swapCases(x.Body)
	case *ast.AssignStmt:
		if other := assignments[x.Tok]; other != "" {
			m.add("other operator", x.TokPos, x.TokPos+token.Pos(len(x.Tok.String())), other)
		}
	case *ast.IncDecStmt:
		m.add("other operator", x.TokPos, x.TokPos+2, map[token.Token]string{token.INC: "--", token.DEC: "++"}[x.Tok])
	}
	return true
}

// literal makes a number one larger, and one smaller unless it is 0.
func (m *mutator) literal(x *ast.BasicLit) {
	n, ok := new(big.Int).SetString(x.Value, 0)
	if x.Kind != token.INT || !ok {
		return
	}
	one := big.NewInt(1)
	m.add("other constant", x.Pos(), x.End(), new(big.Int).Add(n, one).String())
	if n.Sign() > 0 {
		m.add("other constant", x.Pos(), x.End(), new(big.Int).Sub(n, one).String())
	}
}

// condition negates an if, unless a comparison in it is swapped already, and
// drops one that leaves early.
func (m *mutator) condition(x *ast.IfStmt) {
	text := string(m.source[m.offset(x.Cond.Pos()):m.offset(x.Cond.End())])
	if b, ok := x.Cond.(*ast.BinaryExpr); !ok || operators[b.Op] == nil || b.Op == token.LAND || b.Op == token.LOR {
		m.add("negated condition", x.Cond.Pos(), x.Cond.End(), "!("+text+")")
	}
	if len(x.Body.List) == 0 || x.Else != nil {
		return
	}
	switch x.Body.List[len(x.Body.List)-1].(type) {
	case *ast.ReturnStmt, *ast.BranchStmt:
		m.add("never leaves", x.Cond.Pos(), x.Cond.End(), "false && ("+text+")")
	}
}

// statements drops each statement that can be done without.
func (m *mutator) statements(list []ast.Stmt) {
	for _, s := range list {
		switch x := s.(type) {
		case *ast.ExprStmt, *ast.IncDecStmt, *ast.DeferStmt, *ast.SendStmt:
			m.add("dropped statement", s.Pos(), s.End(), "")
		case *ast.AssignStmt:
			if x.Tok != token.DEFINE {
				m.add("dropped statement", s.Pos(), s.End(), "")
			}
		case *ast.BranchStmt:
			if x.Tok != token.FALLTHROUGH {
				m.add("dropped statement", s.Pos(), s.End(), "")
			}
		}
	}
}

// swapCases swaps the bodies of neighbours.
func (m *mutator) swapCases(body *ast.BlockStmt) {
	for i := 1; i < len(body.List); i++ {
		a, ok1 := body.List[i-1].(*ast.CaseClause)
		b, ok2 := body.List[i].(*ast.CaseClause)
		if !ok1 || !ok2 || len(a.Body) == 0 || len(b.Body) == 0 {
			continue
		}
		of := func(c *ast.CaseClause) string {
			return string(m.source[m.offset(c.Body[0].Pos()):m.offset(c.Body[len(c.Body)-1].End())])
		}
		first, second := of(a), of(b)
		between := string(m.source[m.offset(a.Body[len(a.Body)-1].End()):m.offset(b.Body[0].Pos())])
		if first != second {
			m.add("swapped branches", a.Body[0].Pos(), b.Body[len(b.Body)-1].End(), second+between+first)
		}
	}
}
