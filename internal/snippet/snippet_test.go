package snippet

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestUnits_Problems: what a reader would stumble over is found, and nothing else.
func TestUnits_Problems(t *testing.T) {
	const ticks = "```"
	page := func(blocks ...string) string {
		return "# Page\n\n" + ticks + "go\n" + strings.Join(blocks, "\n"+ticks+"\n\nText.\n\n"+ticks+"go\n") + "\n" + ticks + "\n"
	}
	tests := map[string]struct{ page, want string }{
		"a fragment":                 {page(`name, err := os.Hostname()`), ""},
		"a name of an earlier one":   {page(`name, err := os.Hostname()`, `fmt.Println(name, err)`), ""},
		"an alternative":             {page(`n := 1`, `n := "x"`), ""},
		"a call alone":               {page(`fmt.Println("x")`), ""},
		"a function":                 {page("func f() int { return 1 }"), ""},
		"a function and its use":     {page("func f() int { return 1 }", `n := f()`), ""},
		"a program":                  {page("package main\n\nfunc main() {}"), ""},
		"a program and its test":     {page("package main\n\nfunc f() {}", "package main\n\nimport \"testing\"\n\nfunc TestF(*testing.T) { f() }"), ""},
		"a name of another section":  {page(`n := 1`) + "\n## Next\n\n" + ticks + "go\nfmt.Println(n)\n" + ticks + "\n", "page.md:10: undefined: n"},
		"a name of a later one":      {page(`f()`, "func f() {}"), "page.md:4: f is declared further down"},
		"a name that nobody has":     {page(`fmt.Println(ctx)`), "page.md:4: undefined: ctx"},
		"an ellipsis":                {page("n := 1\n// …"), "page.md:5: an ellipsis does not compile"},
		"three dots":                 {page("n := 1\n..."), "page.md:5: an ellipsis does not compile"},
		"an unused variable":         {page("func f() {\n\tn := 1\n}"), "page.md:5: declared and not used: n"},
		"an unused import":           {page("package main\n\nimport \"os\"\n\nfunc main() {}"), `page.md:6: "os" imported and not used`},
		"a missing import":           {page("package main\n\nfunc main() { os.Exit(1) }"), "page.md:6: undefined: os"},
		"a method that is not there": {page(`fmt.Prinln("x")`), "page.md:4: undefined: fmt.Prinln"},
		"another layout":             {page("n:=1"), "page.md:4: gofmt would write"},
		"a syntax error":             {page("n := ("), "page.md:6: expected operand"},
	}
	var units []*Unit
	problems := map[string][]string{} // by page
	note := func(found []string) {
		for _, p := range found {
			file, _, _ := strings.Cut(p, ".md:")
			problems[file] = append(problems[file], p)
		}
	}
	for name, test := range tests {
		for _, u := range Units(ParsePage(name+".md", test.page).Blocks) {
			note(u.Parse([]string{"."}))
			units = append(units, u)
		}
	}
	found, err := Check(".", ".", units)
	if err != nil {
		t.Fatal(err)
	}
	note(found)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			wanted := slices.ContainsFunc(problems[name], func(p string) bool { return strings.Contains(p, strings.TrimPrefix(test.want, "page")) })
			if test.want == "" && len(problems[name]) > 0 || test.want != "" && !wanted {
				t.Errorf("problems %q, want %q", problems[name], test.want)
			}
		})
	}
}

func TestBrokenLinks(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "other.md"), []byte("# Some Thing, and `more`\n# Twice\n# Twice\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const text = "# Here\n" +
		"[a](other.md) [b](other.md#some-thing-and-more) [c](#here) [d](https://example.com/x) [e](other.md#twice-1)\n" +
		"`[code](missing.md)` [f][good]\n" +
		"[g](missing.md)\n[h](other.md#nothing)\n[i](#there)\n[j](/abs.md)\n[k][bad]\n![l](missing.png)\n\n[good]: other.md\n[m]: gone.md\n"
	if err := os.WriteFile(filepath.Join(root, "page.md"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	pages, err := Pages(root)
	if err != nil {
		t.Fatal(err)
	}
	got := BrokenLinks(root, pages)
	want := []string{"page.md:4:", "page.md:5:", "page.md:6:", "page.md:7:", "page.md:9:", "page.md:12:", "page.md:8:"}
	if len(got) != len(want) {
		t.Fatalf("broken %q, want %q", got, want)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("broken %q, want %q", got[i], want[i])
		}
	}
}

// TestCommands_WhyNot runs in this folder's own repository.
func TestCommands_WhyNot(t *testing.T) {
	const root = "../.."
	const ticks = "```"
	text := ticks + "sh\nmake test            # a comment\nmake nothing\ngo run ./examples/quickstart\ngo run ./examples/nothing\n" +
		"go test -run TestBrokenLinks ./internal/snippet\ngo test -run TestNothingLikeIt ./...\ncd bench && go run ./sim -out x\ngo run example.com/tool@v1.0.0 ./...\n" + ticks +
		"\nText with `make lint`, `go test\n-run '^$' -bench NothingLikeIt .` and `make everything`.\n"
	var why []string
	commands := ParsePage("page.md", text).Commands()
	for _, c := range commands {
		if w := c.WhyNot(root); w != "" {
			why = append(why, c.Text)
		}
	}
	want := []string{"make nothing", "go run ./examples/nothing", "go test -run TestNothingLikeIt ./...", "go test -run '^$' -bench NothingLikeIt .", "make everything"}
	if !slices.Equal(why, want) {
		t.Errorf("of %q refused are\n  %q\nwant\n  %q", commands, why, want)
	}
}

func TestLooksLikeGo(t *testing.T) {
	for text, want := range map[string]bool{
		"client, err := jwks.NewClient(jwks.WithIssuer(issuer))\n": true,
		"func f() {\n}\n":                                true,
		"handler = protect(handler)\n":                   true,
		"jwkshttp.Middleware(v, options...)":             true,
		"size   at most 16 KiB   WithMaxTokenSize\n":     false,
		"ErrKeyNotFound (source answered)   ErrClosed\n": false,
		"no token   401   Bearer scope=\"read\"\n":       false,
		"go run ./examples/middleware\n":                 false,
	} {
		if got := looksLikeGo(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
