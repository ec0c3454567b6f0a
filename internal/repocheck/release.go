package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

// release is what is checked: the tree at root, as the version that it names.
type release struct {
	root    string
	version string // with its v
	final   bool
	modules []module // the root module first
}

// module is one of the modules of the tree.
type module struct {
	dir  string // below root, with slashes; "" is the root module
	file *modfile.File
}

func (m module) path() string { return m.file.Module.Mod.Path }

// published says whether users can require the module: it gets a tag of its own
// with every release. The others are for this tree.
func (m module) published() bool { return m.dir == "" || path.Dir(m.dir) == "contrib" }

// tag is the tag of a version of the module.
func (m module) tag(version string) string { return path.Join(m.dir, version) }

// checkRelease prints each check with its outcome and returns how many failed.
func checkRelease(out io.Writer, root string, final bool) (bad int) {
	r := &release{root: root, final: final}
	checks := []struct {
		name string
		run  func() (string, error)
	}{
		{"clean tree", r.checkTree},
		{"version", r.checkVersion},
		{"changelog", r.checkChangelog},
		{"supported versions", r.checkSupported},
		{"requirements", r.checkRequirements},
		{"API", r.checkAPI},
		{"builds as published", r.checkBuilds},
	}
	if err := r.load(); err != nil {
		fmt.Fprintln(out, "FAIL", err)
		return 1
	}
	fmt.Fprintf(out, "release check of %s as %s\n", r.modules[0].path(), r.version)
	for _, check := range checks {
		note, err := check.run()
		if err != nil {
			bad++
			fmt.Fprintf(out, "FAIL %s: %v\n", check.name, err)
		} else {
			fmt.Fprintf(out, "ok   %s: %s\n", check.name, note)
		}
	}
	return bad
}

var versionNumber = regexp.MustCompile(`(?m)^const Number = "(.*)"$`)

// load reads the version and the modules.
func (r *release) load() error {
	file := filepath.Join(r.root, "internal", "version", "version.go")
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	found := versionNumber.FindSubmatch(content)
	if found == nil || !semver.IsValid("v"+string(found[1])) {
		return fmt.Errorf("%s: no constant Number with a semantic version", file)
	}
	r.version = "v" + string(found[1])
	all, err := manifests(r.root)
	if err != nil {
		return err
	}
	for _, m := range all {
		if m.ecosystem != "gomod" {
			continue
		}
		dir := strings.TrimPrefix(m.directory, "/")
		file := filepath.Join(r.root, filepath.FromSlash(dir), "go.mod")
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		parsed, err := modfile.Parse(file, content, nil)
		if err != nil {
			return err
		}
		r.modules = append(r.modules, module{dir, parsed})
	}
	slices.SortFunc(r.modules, func(a, b module) int { return strings.Compare(a.dir, b.dir) })
	if len(r.modules) == 0 || r.modules[0].dir != "" {
		return fmt.Errorf("%s: no go.mod", r.root)
	}
	return nil
}

// git runs git in the tree and returns what it printed.
func (r *release) git(args ...string) (string, error) {
	return output(exec.Command("git", append([]string{"-C", r.root}, args...)...))
}

func output(cmd *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		text := strings.TrimSpace(stderr.String())
		if len(text) > 2000 {
			text = text[:2000] + " …"
		}
		return "", fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, text)
	}
	return strings.TrimSpace(stdout.String()), nil
}

func (r *release) checkTree() (string, error) {
	dirty, err := r.git("status", "--porcelain")
	if err != nil {
		return "", err
	}
	if dirty != "" {
		return "", fmt.Errorf("not committed:\n%s", dirty)
	}
	return r.git("rev-parse", "HEAD")
}

// checkVersion wants a version that is not another commit's already, and the
// next one after the last tag.
func (r *release) checkVersion() (string, error) {
	last, err := r.lastTag(r.modules[0])
	if err != nil {
		return "", err
	}
	if tagged, err := r.git("rev-parse", "-q", "--verify", r.version+"^{commit}"); err == nil {
		head, err := r.git("rev-parse", "HEAD")
		if err != nil {
			return "", err
		}
		if tagged != head {
			return "", fmt.Errorf("%s is the tag of %s: raise internal/version", r.version, tagged)
		}
	}
	if last == "" {
		return r.version + ", the first", nil
	}
	return r.version + ", after " + last, nil
}

// lastTag is the version of the highest tag of a module below the one of this
// tree, "" if there is none. A higher one is an error.
func (r *release) lastTag(m module) (last string, err error) {
	listed, err := r.git("tag", "--list", m.tag("v*"))
	if err != nil {
		return "", err
	}
	for _, tag := range strings.Fields(listed) {
		version := path.Base(tag)
		if !semver.IsValid(version) || m.tag(version) != tag {
			continue
		}
		switch {
		case semver.Compare(version, r.version) > 0:
			return "", fmt.Errorf("%s is older than tag %s", r.version, tag)
		case version != r.version && semver.Compare(version, last) > 0:
			last = version
		}
	}
	return last, nil
}

var heading = regexp.MustCompile(`(?m)^## \[(.*?)\](?: - (.*))?$`)

// checkChangelog wants a section for the version, right after Unreleased, with
// something in it, and with the day where it is final.
func (r *release) checkChangelog() (string, error) {
	content, err := os.ReadFile(filepath.Join(r.root, "CHANGELOG.md"))
	if err != nil {
		return "", err
	}
	sections := heading.FindAllSubmatchIndex(content, -1)
	for n, at := range sections {
		title := string(content[at[2]:at[3]])
		if title == "Unreleased" {
			continue
		}
		if "v"+title != r.version {
			return "", fmt.Errorf("CHANGELOG.md: the newest section is %s, want %s", title, r.version[1:])
		}
		end := len(content)
		if n+1 < len(sections) {
			end = sections[n+1][0]
		}
		entries := bytes.Count(content[at[1]:end], []byte("\n- "))
		if entries == 0 {
			return "", fmt.Errorf("CHANGELOG.md: the section of %s is empty", title)
		}
		day := ""
		if at[4] >= 0 {
			day = string(content[at[4]:at[5]])
		}
		if _, err := time.Parse(time.DateOnly, day); err != nil && r.final {
			return "", fmt.Errorf("CHANGELOG.md: want the day in \"## [%s] - YYYY-MM-DD\"", title)
		}
		return fmt.Sprintf("%d entries, day %q", entries, day), nil
	}
	return "", fmt.Errorf("CHANGELOG.md: no section for %s", r.version[1:])
}

// checkSupported wants the minor version in the table of SECURITY.md.
func (r *release) checkSupported() (string, error) {
	content, err := os.ReadFile(filepath.Join(r.root, "SECURITY.md"))
	if err != nil {
		return "", err
	}
	minor := strings.TrimPrefix(semver.MajorMinor(r.version), "v") + ".x"
	if !bytes.Contains(content, []byte("| "+minor+" |")) {
		return "", fmt.Errorf("SECURITY.md: the supported versions have no row %q", minor)
	}
	return minor, nil
}

// checkRequirements wants that published modules require each other in the
// version of this release: a replace that the tree has for development means
// nothing to users.
func (r *release) checkRequirements() (string, error) {
	var problems []error
	published := 0
	for _, m := range r.modules {
		if !m.published() {
			continue
		}
		published++
		if m.dir == "" && len(m.file.Replace) > 0 {
			problems = append(problems, errors.New("go.mod: the root module has a replace"))
		}
		for _, need := range m.file.Require {
			if r.moduleAt(need.Mod.Path) != nil && need.Mod.Version != r.version {
				problems = append(problems, fmt.Errorf("%s/go.mod requires %s %s, want %s", m.dir, need.Mod.Path, need.Mod.Version, r.version))
			}
		}
	}
	return fmt.Sprintf("%d of %d modules are published", published, len(r.modules)), errors.Join(problems...)
}

func (r *release) moduleAt(path string) *module {
	for n, m := range r.modules {
		if m.path() == path {
			return &r.modules[n]
		}
	}
	return nil
}
