// Command doccheck fails on exported identifiers without a doc comment:
// functions, methods of exported types, types, constants, variables, and
// fields of exported structs.
//
//	go run ./internal/doccheck . ./jwkstest
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	var missing []string
	for _, dir := range os.Args[1:] {
		found, err := check(dir)
		if err != nil {
			fmt.Fprintln(os.Stderr, "doccheck:", err)
			os.Exit(2)
		}
		missing = append(missing, found...)
	}
	for _, m := range missing {
		fmt.Fprintln(os.Stderr, m)
	}
	if len(missing) > 0 {
		fmt.Fprintf(os.Stderr, "doccheck: %d exported identifiers without a doc comment\n", len(missing))
		os.Exit(1)
	}
}

// check lists what the package of one folder leaves undocumented, whatever
// the build tags of its files.
func check(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var missing []string
	fset := token.NewFileSet()
	miss := func(pos token.Pos, name string) {
		missing = append(missing, fmt.Sprintf("%s: %s has no doc comment", fset.Position(pos), name))
	}
	files, documented := 0, false
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, filepath.Join(dir, e.Name()), nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		files++
		documented = documented || file.Doc != nil
		for _, decl := range file.Decls {
			declaration(decl, miss)
		}
	}
	if files == 0 {
		return nil, fmt.Errorf("no package in %s", dir)
	}
	if !documented {
		missing = append(missing, dir+": the package has no doc comment")
	}
	return missing, nil
}

func declaration(decl ast.Decl, miss func(token.Pos, string)) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		name := d.Name.Name
		if d.Recv != nil {
			owner := receiver(d.Recv.List[0].Type)
			if !ast.IsExported(owner) {
				return
			}
			name = owner + "." + name
		}
		if d.Name.IsExported() && d.Doc == nil {
			miss(d.Pos(), name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() {
					if s.Doc == nil && d.Doc == nil {
						miss(s.Pos(), s.Name.Name)
					}
					if st, ok := s.Type.(*ast.StructType); ok {
						fields(s.Name.Name, st, s.Doc != nil || d.Doc != nil, miss)
					}
				}
			case *ast.ValueSpec:
				for _, name := range s.Names {
					// In a group, a comment above the group or beside the
					// line will do.
					if name.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
						miss(name.Pos(), name.Name)
					}
				}
			}
		}
	}
}

// fields wants a comment above or beside every exported field, except in a
// struct whose own comment names the field.
func fields(owner string, st *ast.StructType, documented bool, miss func(token.Pos, string)) {
	for _, f := range st.Fields.List {
		for _, name := range f.Names {
			if name.IsExported() && f.Doc == nil && f.Comment == nil && !documented {
				miss(name.Pos(), owner+"."+name.Name)
			}
		}
	}
}

func receiver(e ast.Expr) string {
	switch t := e.(type) {
	case *ast.StarExpr:
		return receiver(t.X)
	case *ast.IndexExpr:
		return receiver(t.X)
	case *ast.Ident:
		return t.Name
	}
	return ""
}
