package snippet

import (
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// PackageComments returns the code blocks of the package comments below a folder,
// except those of internal packages, which have no readers outside.
// Lang is "go" for what looks like code: a table is a code block too.
func PackageComments(root string) ([]Block, error) {
	var blocks []Block
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules" || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"), strings.HasPrefix(filepath.ToSlash(strings.TrimPrefix(path, root)), "/internal/"):
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		if file.Doc == nil {
			return nil
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		line := fset.Position(file.Doc.Pos()).Line
		blocks = append(blocks, commentBlocks(filepath.ToSlash(name), line, file.Doc)...)
		return nil
	})
	return blocks, err
}

func commentBlocks(file string, line int, doc *ast.CommentGroup) []Block {
	text := doc.Text()
	section := ""
	var blocks []Block
	for _, part := range new(comment.Parser).Parse(text).Content {
		switch part := part.(type) {
		case *comment.Heading:
			section = plain(part.Text)
		case *comment.Code:
			b := Block{File: file, Line: line + lineOf(text, part.Text), Section: section, Text: part.Text}
			if looksLikeGo(part.Text) {
				b.Lang = "go"
			}
			blocks = append(blocks, b)
		}
	}
	return blocks
}

func plain(text []comment.Text) string {
	var b strings.Builder
	for _, t := range text {
		if t, ok := t.(comment.Plain); ok {
			b.WriteString(string(t))
		}
	}
	return b.String()
}

// lineOf counts the lines of text before the first line of a code block.
func lineOf(text, code string) int {
	first, _, _ := strings.Cut(code, "\n")
	at := strings.Index(text, "\t"+strings.TrimSpace(first))
	if at < 0 {
		return 0
	}
	return strings.Count(text[:at], "\n")
}

var goLine = regexp.MustCompile(`(?m)^\s*(func |type \w+ |package |import |var |if |for )|:=|^\s*[\w.]+ = |^\s*[\w]+\.\w+\(.*[),]$`)

// looksLikeGo tells code from tables, output and commands.
func looksLikeGo(text string) bool { return goLine.MatchString(text) }
