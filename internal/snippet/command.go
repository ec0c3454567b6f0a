package snippet

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Command is a command line that a page tells its reader to run.
type Command struct {
	File string
	Line int
	Text string
}

var commandSpan = regexp.MustCompile("`((?:make|go run|go test) [^`]+)`")

// Commands lists the commands that begin with make, go run or go test in blocks
// of shell lines, indented blocks and code spans.
func (p Page) Commands() []Command {
	var commands []Command
	add := func(line int, text string) {
		text, _, _ = strings.Cut(text, " #")
		text = strings.TrimPrefix(strings.TrimSpace(text), "$ ")
		for _, prefix := range []string{"make ", "go run ", "go test ", "cd "} {
			again := len(commands) > 0 && commands[len(commands)-1].Text == text // a span over two lines is seen from both
			if strings.HasPrefix(text, prefix) && !again {
				commands = append(commands, Command{p.File, line, text})
			}
		}
	}
	for _, b := range p.Blocks {
		if b.Lang == "sh" {
			for i, line := range strings.Split(b.Text, "\n") {
				add(b.Line+i, line)
			}
		}
	}
	for i, l := range p.Prose {
		if strings.HasPrefix(l.Text, "    ") {
			add(l.Number, l.Text)
		}
		text := l.Text
		if strings.Count(text, "`")%2 == 1 && i+1 < len(p.Prose) { // a span that goes on in the next line
			text += " " + p.Prose[i+1].Text
		}
		for _, m := range commandSpan.FindAllStringSubmatch(text, -1) {
			add(l.Number, m[1])
		}
	}
	return commands
}

var (
	function = regexp.MustCompile(`(?m)^func (\w+)\(`)

	target = regexp.MustCompile(`(?m)^([a-z][a-z-]*):`)
	flag   = regexp.MustCompile(`\s-(run|bench|fuzz)[= ]('[^']*'|\S+)`)
)

// WhyNot tells why a command cannot work in a fresh clone: a target that the
// Makefile does not have, a program that is not there, a pattern that no test or
// benchmark matches. It is "" when there is no reason.
func (c Command) WhyNot(root string) string {
	dir := "."
	if rest, ok := strings.CutPrefix(c.Text, "cd "); ok {
		folder, next, found := strings.Cut(rest, "&&")
		if dir = strings.TrimSpace(folder); !found {
			return ""
		}
		c.Text = strings.TrimSpace(next)
	}
	words := strings.Fields(c.Text)
	switch {
	case words[0] == "make":
		return missingTarget(root, words[1:])
	case strings.HasPrefix(c.Text, "go run "):
		return missingProgram(root, dir, c, words[2:])
	case strings.HasPrefix(c.Text, "go test "):
		return emptyPattern(root, dir, c)
	}
	return ""
}

func missingTarget(root string, words []string) string {
	text, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		return err.Error()
	}
	var targets []string
	for _, m := range target.FindAllStringSubmatch(string(text), -1) {
		targets = append(targets, m[1])
	}
	for _, word := range words {
		name, _, assigned := strings.Cut(word, "=")
		if assigned || strings.Contains(name, `"`) || strings.HasPrefix(name, "-") {
			return "" // variables follow the target
		}
		if !slices.Contains(targets, name) {
			return fmt.Sprintf("the Makefile has no target %q", name)
		}
	}
	return ""
}

// missingProgram finds the program of go run from the root or, in the page of a
// nested module or of bench, from the page's own folder.
func missingProgram(root, dir string, c Command, words []string) string {
	for _, word := range words {
		if strings.HasPrefix(word, "-") {
			continue
		}
		if strings.Contains(word, "@") {
			return "" // a module at a version, not this tree
		}
		for _, base := range []string{dir, path.Dir(c.File)} {
			if files, _ := filepath.Glob(filepath.Join(root, base, word, "*.go")); len(files) > 0 {
				return ""
			}
		}
		return fmt.Sprintf("%s has no Go files", word)
	}
	return ""
}

// emptyPattern checks the patterns of go test against the functions of the tests
// in its packages.
func emptyPattern(root, dir string, c Command) string {
	names := map[string]bool{}
	for _, base := range []string{dir, path.Dir(c.File)} {
		for _, pkg := range packagesOf(c.Text) {
			for _, name := range testNames(filepath.Join(root, base), pkg) {
				names[name] = true
			}
		}
	}
	for _, m := range flag.FindAllStringSubmatch(c.Text, -1) {
		pattern := strings.Trim(m[2], `'"`)
		if pattern == "^$" || pattern == "xxx" {
			continue
		}
		top, _, _ := strings.Cut(pattern, "/")
		r, err := regexp.Compile(top)
		if err != nil {
			return err.Error()
		}
		prefix := map[string]string{"run": "Test", "bench": "Benchmark", "fuzz": "Fuzz"}[m[1]]
		found := false
		for name := range names {
			found = found || r.MatchString(name) && (strings.HasPrefix(name, prefix) || m[1] == "run" && strings.HasPrefix(name, "Example"))
		}
		if !found {
			return fmt.Sprintf("-%s %s matches nothing", m[1], pattern)
		}
	}
	return ""
}

func packagesOf(command string) []string {
	var pkgs []string
	for _, word := range strings.Fields(command) {
		if word == "." || strings.HasPrefix(word, "./") {
			pkgs = append(pkgs, word)
		}
	}
	if pkgs == nil {
		pkgs = []string{"."}
	}
	return pkgs
}

// testNames lists the functions of the test files in a folder or, with "/...",
// below it.
func testNames(base, pkg string) []string {
	folder, deep := strings.CutSuffix(pkg, "...")
	var names []string
	_ = filepath.WalkDir(filepath.Join(base, folder), func(file string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil
		case d.IsDir() && !deep && filepath.Clean(file) != filepath.Join(base, folder):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(file, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil
		}
		for _, m := range function.FindAllSubmatch(text, -1) {
			names = append(names, string(m[1]))
		}
		return nil
	})
	return names
}
