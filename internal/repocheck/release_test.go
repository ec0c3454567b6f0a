package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// project is a small repository that is fit for release 0.2.0 after 0.1.0.
type project struct {
	t    *testing.T
	root string
}

func newProject(t *testing.T) *project {
	t.Helper()
	p := &project{t, t.TempDir()}
	p.git("init", "-q", "-b", "main")
	p.git("config", "user.name", "t")
	p.git("config", "user.email", "t@example.com")
	p.write(map[string]string{
		"go.mod":                      "module example.com/m\n\ngo 1.25.0\n",
		"m.go":                        "package m\n\nfunc Old() {}\n",
		"internal/version/version.go": "package version\n\nconst Number = \"0.1.0\"\n",
		"CHANGELOG.md":                "# Changelog\n\n## [Unreleased]\n\n## [0.1.0] - 2026-01-02\n\n- Old\n",
		"SECURITY.md":                 "| 0.1.x | yes |\n",
		"contrib/a/go.mod":            "module example.com/m/contrib/a\n\ngo 1.25.0\n\nreplace example.com/m => ../..\n\nrequire example.com/m v0.1.0\n",
		"contrib/a/a.go":              "package a\n\nimport \"example.com/m\"\n\nvar Use = m.Old\n",
		"tool/go.mod":                 "module example.com/m/tool\n\ngo 1.25.0\n\nreplace example.com/m => ..\n\nrequire example.com/m v0.0.0\n",
		"tool/main.go":                "package main\n\nimport \"example.com/m\"\n\nfunc main() { m.Old() }\n",
	})
	p.commit("first")
	p.git("tag", "v0.1.0")
	p.git("tag", "contrib/a/v0.1.0")
	p.version("0.2.0")
	p.write(map[string]string{"m.go": "package m\n\nfunc Old() {}\n\nfunc New() {}\n"})
	p.commit("second")
	return p
}

// version writes what a version has to be written into.
func (p *project) version(number string) {
	minor := number[:strings.LastIndex(number, ".")]
	p.write(map[string]string{
		"internal/version/version.go": "package version\n\nconst Number = \"" + number + "\"\n",
		"CHANGELOG.md":                "# Changelog\n\n## [Unreleased]\n\n## [" + number + "] - 2026-02-03\n\n- New\n\n## [0.1.0] - 2026-01-02\n\n- Old\n",
		"SECURITY.md":                 "| " + minor + ".x | yes |\n",
		"contrib/a/go.mod":            "module example.com/m/contrib/a\n\ngo 1.25.0\n\nreplace example.com/m => ../..\n\nrequire example.com/m v" + number + "\n",
	})
}

func (p *project) write(files map[string]string) { write(p.t, p.root, files) }

func (p *project) git(args ...string) {
	p.t.Helper()
	if _, err := output(exec.Command("git", append([]string{"-C", p.root}, args...)...)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *project) commit(subject string) {
	p.t.Helper()
	p.git("add", "-A")
	p.git("commit", "-q", "-m", subject)
}

func (p *project) check(final bool) string {
	var out strings.Builder
	checkRelease(&out, p.root, final)
	return out.String()
}

// TestRelease_Rules breaks one rule at a time in a tree that keeps all.
func TestRelease_Rules(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds modules")
	}
	t.Setenv("GOPROXY", "off") // the small project needs nothing from elsewhere
	tests := []struct {
		rule  string
		spoil func(p *project)
		want  []string // lines of the report begin so
	}{
		{"a tree that is fit", func(*project) {}, []string{
			"ok   clean tree: ", "ok   version: v0.2.0, after v0.1.0", "ok   changelog: 1 entries", "ok   supported versions: 0.2.x",
			"ok   requirements: 2 of 3 modules are published",
			"ok   API: root: 1 additions and 0 incompatible changes since v0.1.0; contrib/a: 0 additions and 0 incompatible changes since v0.1.0",
			"ok   builds as published: 3 modules",
		}},
		{"the tree is clean", func(p *project) { p.write(map[string]string{"new.txt": "x"}) }, []string{"FAIL clean tree: "}},
		{"a version is released once", func(p *project) {
			p.git("tag", "v0.2.0")
			p.write(map[string]string{"x.txt": "x"})
			p.commit("third")
		}, []string{"FAIL version: v0.2.0 is the tag of"}},
		{"versions go up", func(p *project) { p.git("tag", "v0.3.0") }, []string{"FAIL version: v0.2.0 is older than tag v0.3.0"}},
		{"the changelog has the section", func(p *project) {
			p.write(map[string]string{"CHANGELOG.md": "## [Unreleased]\n\n- New\n\n## [0.1.0] - 2026-01-02\n\n- Old\n"})
			p.commit("third")
		}, []string{"FAIL changelog: CHANGELOG.md: the newest section is 0.1.0, want 0.2.0"}},
		{"the section is not empty", func(p *project) {
			p.write(map[string]string{"CHANGELOG.md": "## [0.2.0] - 2026-02-03\n\n## [0.1.0] - 2026-01-02\n\n- Old\n"})
			p.commit("third")
		}, []string{"FAIL changelog: CHANGELOG.md: the section of 0.2.0 is empty"}},
		{"on the day it has a date", func(p *project) {
			p.write(map[string]string{"CHANGELOG.md": "## [0.2.0] - not released yet\n\n- New\n"})
			p.commit("third")
		}, []string{"FAIL changelog: CHANGELOG.md: want the day"}},
		{"the version is supported", func(p *project) {
			p.write(map[string]string{"SECURITY.md": "| 0.1.x | yes |\n"})
			p.commit("third")
		}, []string{"FAIL supported versions: "}},
		{"modules require this release", func(p *project) {
			p.write(map[string]string{"contrib/a/go.mod": "module example.com/m/contrib/a\n\ngo 1.25.0\n\nreplace example.com/m => ../..\n\nrequire example.com/m v0.1.0\n"})
			p.commit("third")
		}, []string{"FAIL requirements: contrib/a/go.mod requires example.com/m v0.1.0, want v0.2.0"}},
		{"a patch adds nothing", func(p *project) { p.version("0.1.1"); p.commit("third") }, []string{"FAIL API: root: v0.1.1 is too small a step"}},
		{"a patch breaks nothing", func(p *project) {
			p.version("0.1.1")
			p.write(map[string]string{"m.go": "package m\n\nfunc Old(int) {}\n"})
			p.commit("third")
		}, []string{"FAIL API: root: v0.1.1 is too small a step"}},
		{"a minor version before 1.0 may break", func(p *project) {
			p.write(map[string]string{"m.go": "package m\n\nfunc Old(int) {}\n", "tool/main.go": "package main\n\nfunc main() {}\n"})
			p.commit("third")
		}, []string{"ok   API: root: 0 additions and 1 incompatible changes"}},
		{"a file that is ignored is not published", func(p *project) {
			p.write(map[string]string{".gitignore": "made.go\n", "made.go": "package m\n\nfunc Made() {}\n", "contrib/a/a.go": "package a\n\nimport \"example.com/m\"\n\nvar Use = m.Made\n"})
			p.commit("third")
		}, []string{"ok   clean tree", "FAIL builds as published: "}},
		{"a folder that is replaced is not published", func(p *project) {
			p.write(map[string]string{
				"tool/go.mod":     "module example.com/m/tool\n\ngo 1.25.0\n\nreplace example.com/lib => ./lib\n\nrequire example.com/lib v0.0.0\n",
				"tool/lib/go.mod": "module example.com/lib\n\ngo 1.25.0\n", "tool/lib/lib.go": "package lib\n\nimport \"example.com/gone\"\n\nvar V = gone.V\n",
				"tool/main.go": "package main\n\nimport _ \"example.com/lib\"\n\nfunc main() {}\n",
			})
			p.commit("third")
		}, []string{"FAIL builds as published: "}},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			t.Parallel()
			p := newProject(t)
			tt.spoil(p)
			report := p.check(true)
			for _, want := range tt.want {
				if !strings.Contains("\n"+report, "\n"+want) {
					t.Errorf("the report has no line %q:\n%s", want, report)
				}
			}
			if unfit := strings.Contains(strings.Join(tt.want, "\n"), "FAIL"); unfit != strings.Contains(report, "FAIL") {
				t.Errorf("want a failure: %v; the report:\n%s", unfit, report)
			}
		})
	}
}

func TestMayChange_Promise(t *testing.T) {
	tests := []struct {
		from, to      string
		added, broken bool
		want          bool
	}{
		{"v0.1.0", "v0.1.1", false, false, true},
		{"v0.1.0", "v0.1.1", true, false, false},
		{"v0.1.0", "v0.1.1", false, true, false},
		{"v0.1.0", "v0.2.0", true, true, true},
		{"v0.9.0", "v1.0.0", true, true, true},
		{"v1.0.0", "v1.0.1", false, false, true},
		{"v1.0.0", "v1.0.1", true, false, false},
		{"v1.0.0", "v1.1.0", true, false, true},
		{"v1.0.0", "v1.1.0", true, true, false},
		{"v1.0.0", "v2.0.0", true, true, true},
	}
	for _, tt := range tests {
		if got := mayChange(tt.from, tt.to, tt.added, tt.broken); got != tt.want {
			t.Errorf("%s to %s, added %v, broken %v: %v, want %v", tt.from, tt.to, tt.added, tt.broken, got, tt.want)
		}
	}
}

func TestRelease_VersionIsThere(t *testing.T) {
	p := newProject(t)
	if err := os.Remove(filepath.Join(p.root, "internal", "version", "version.go")); err != nil {
		t.Fatal(err)
	}
	if report := p.check(false); !strings.HasPrefix(report, "FAIL ") {
		t.Errorf("without a version: %s", report)
	}
}
