// Package snippet reads the documentation of this repository as its users do:
// it finds the code blocks of Markdown files and package comments, builds them as
// pasted, and follows links and commands. Tests of the documentation use it.
package snippet

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Block is a fenced code block of a Markdown file, or a code block of a package
// comment.
type Block struct {
	File    string // relative to the root of the repository, with slashes
	Line    int    // of its first line of text, from 1
	Section string // the heading above it
	Lang    string // "go", "sh", …; "" when nothing is said
	Text    string
}

// Page is a Markdown file.
type Page struct {
	File     string
	Headings []string
	Blocks   []Block
	Prose    []Line // lines outside code blocks
}

// Line is a line of a page, counted from 1.
type Line struct {
	Number int
	Text   string
}

var (
	heading = regexp.MustCompile(`^(#{1,6})\s+(.*?)\s*#*$`)
	fence   = regexp.MustCompile("^(\\s*)(```+|~~~+)\\s*([\\w-]*)")
)

// ParsePage reads a Markdown file.
func ParsePage(file, text string) Page {
	p := Page{File: file}
	section, open, indent := "", "", ""
	var block Block
	for i, line := range strings.Split(text, "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case open == "" && m != nil:
			open, indent = m[2], m[1]
			block = Block{File: file, Line: i + 2, Section: section, Lang: m[3]}
		case open != "" && m != nil && m[3] == "" && strings.HasPrefix(m[2], open):
			p.Blocks = append(p.Blocks, block)
			open = ""
		case open != "":
			block.Text += strings.TrimPrefix(line, indent) + "\n"
		default:
			if m := heading.FindStringSubmatch(line); m != nil {
				section = m[2]
				p.Headings = append(p.Headings, section)
			}
			p.Prose = append(p.Prose, Line{i + 1, line})
		}
	}
	return p
}

// Pages reads every Markdown file below a folder, except those of dependencies.
func Pages(root string) ([]Page, error) {
	var pages []Page
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		pages = append(pages, ParsePage(filepath.ToSlash(name), string(text)))
		return nil
	})
	return pages, err
}

// Anchors returns what a fragment of a link to the page may be, as GitHub makes
// it of the headings.
func (p Page) Anchors() []string {
	var anchors []string
	seen := map[string]int{}
	for _, h := range p.Headings {
		a := anchor(h)
		if n := seen[a]; n > 0 {
			anchors = append(anchors, fmt.Sprintf("%s-%d", a, n))
		} else {
			anchors = append(anchors, a)
		}
		seen[a]++
	}
	return anchors
}

var linkText = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)

func anchor(heading string) string {
	heading = linkText.ReplaceAllString(heading, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

// Link is where a page points to.
type Link struct {
	Line   int
	Target string
}

var (
	codeSpan   = regexp.MustCompile("`[^`]*`")
	inlineLink = regexp.MustCompile(`\]\(\s*<?([^)\s>]+)>?[^)]*\)`)
	definition = regexp.MustCompile(`^\s{0,3}\[[^\]]+\]:\s*<?(\S+?)>?\s*$`)
	attribute  = regexp.MustCompile(`\b(?:href|src|srcset)="([^"]+)"`)
	reference  = regexp.MustCompile(`\[([^\[\]]+)\](?:\[([^\[\]]*)\])?`)
)

// Links lists the targets of inline links, reference definitions, images and HTML
// attributes.
func (p Page) Links() []Link {
	var links []Link
	for _, l := range p.Prose {
		text := codeSpan.ReplaceAllString(l.Text, "")
		for _, r := range []*regexp.Regexp{inlineLink, definition, attribute} {
			for _, m := range r.FindAllStringSubmatch(text, -1) {
				links = append(links, Link{l.Number, m[1]})
			}
		}
	}
	return links
}

// BrokenLinks lists the links of pages that lead nowhere: relative ones to files
// that do not exist, and fragments that no heading has. What is on other sites is
// not asked.
func BrokenLinks(root string, pages []Page) []string {
	anchors := map[string][]string{}
	for _, p := range pages {
		anchors[p.File] = p.Anchors()
	}
	var broken []string
	for _, p := range pages {
		for _, l := range p.Links() {
			if why := follow(root, p.File, l.Target, anchors); why != "" {
				broken = append(broken, fmt.Sprintf("%s:%d: %s: %s", p.File, l.Line, l.Target, why))
			}
		}
		broken = append(broken, p.undefined()...)
	}
	return broken
}

func follow(root, file, target string, anchors map[string][]string) string {
	if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
		return ""
	}
	path, fragment, _ := strings.Cut(target, "#")
	to := file
	if path != "" {
		if strings.HasPrefix(path, "/") {
			return "want a relative path"
		}
		to = filepath.ToSlash(filepath.Join(filepath.Dir(file), path))
		if strings.HasPrefix(to, "../") {
			return "" // the forge's own pages, such as ../../security
		}
		if _, err := os.Stat(filepath.Join(root, to)); err != nil {
			return "does not exist"
		}
	}
	if fragment != "" && filepath.Ext(to) == ".md" && !slices.Contains(anchors[to], fragment) {
		return "no heading has this anchor"
	}
	return ""
}

// undefined lists references such as [x][y] whose label has no definition. A
// shortcut ([x] alone) may be plain text and counts only where others use it.
func (p Page) undefined() []string {
	defined := map[string]bool{}
	for _, l := range p.Prose {
		if m := regexp.MustCompile(`^\s{0,3}\[([^\]]+)\]:`).FindStringSubmatch(l.Text); m != nil {
			defined[strings.ToLower(m[1])] = true
		}
	}
	var broken []string
	for _, l := range p.Prose {
		for _, m := range reference.FindAllStringSubmatch(codeSpan.ReplaceAllString(l.Text, ""), -1) {
			if m[2] != "" && !defined[strings.ToLower(m[2])] {
				broken = append(broken, fmt.Sprintf("%s:%d: [%s] is not defined", p.File, l.Number, m[2]))
			}
		}
	}
	return broken
}
