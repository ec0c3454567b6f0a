package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/exp/apidiff"
	"golang.org/x/mod/semver"
	"golang.org/x/tools/go/packages"
)

// checkAPI compares the API of each published module with that of its last tag.
func (r *release) checkAPI() (string, error) {
	var notes []string
	var problems []error
	for _, m := range r.modules {
		if !m.published() {
			continue
		}
		last, err := r.lastTag(m)
		if err != nil {
			return "", err
		}
		name := m.dir
		if name == "" {
			name = "root"
		}
		if last == "" {
			notes = append(notes, name+": no earlier tag, nothing to compare with")
			continue
		}
		changes, err := r.compare(m, last)
		if err != nil {
			return "", err
		}
		added, broken := 0, []string{}
		for _, c := range changes {
			if c.Compatible {
				added++
			} else {
				broken = append(broken, c.Message)
			}
		}
		notes = append(notes, fmt.Sprintf("%s: %d additions and %d incompatible changes since %s", name, added, len(broken), last))
		if !mayChange(last, r.version, added > 0, len(broken) > 0) {
			problems = append(problems, fmt.Errorf("%s: %s is too small a step from %s for %d additions and these incompatible changes:\n\t%s",
				name, r.version, last, added, strings.Join(broken, "\n\t")))
		}
	}
	return strings.Join(notes, "; "), errors.Join(problems...)
}

// mayChange is the promise of docs/stability.md: what breaks callers needs a new
// major version, before 1.0 a new minor one; what adds needs a new minor one.
func mayChange(from, to string, added, broken bool) bool {
	major := semver.Major(from) != semver.Major(to)
	minor := major || semver.MajorMinor(from) != semver.MajorMinor(to)
	switch {
	case broken && semver.Major(from) == "v0":
		return minor
	case broken:
		return major
	case added:
		return minor
	}
	return true
}

// compare gives the differences between a module at a tag and in the tree.
func (r *release) compare(m module, version string) ([]apidiff.Change, error) {
	folder, err := os.MkdirTemp("", "repocheck-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	if err := r.extract(m.tag(version), folder); err != nil {
		return nil, err
	}
	before, err := loadAPI(m.path(), filepath.Join(folder, filepath.FromSlash(m.dir)))
	if err != nil {
		return nil, err
	}
	now, err := loadAPI(m.path(), filepath.Join(r.root, filepath.FromSlash(m.dir)))
	if err != nil {
		return nil, err
	}
	return apidiff.ModuleChanges(before, now).Changes, nil
}

// extract puts the tree of a revision into a folder. Neither the index nor the
// worktrees of the repository change.
func (r *release) extract(revision, folder string) error {
	archive := filepath.Join(folder, ".archive.tar")
	if _, err := r.git("archive", "--format=tar", "-o", archive, revision); err != nil {
		return err
	}
	if _, err := output(exec.Command("tar", "-xf", archive, "-C", folder)); err != nil {
		return err
	}
	return os.Remove(archive)
}

// loadAPI loads the packages that users can import.
func loadAPI(path, dir string) (*apidiff.Module, error) {
	loaded, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedTypes | packages.NeedImports | packages.NeedDeps,
		Dir:  dir,
	}, "./...")
	if err != nil {
		return nil, err
	}
	api := &apidiff.Module{Path: path}
	for _, p := range loaded {
		if len(p.Errors) > 0 {
			return nil, fmt.Errorf("%s: %v", p.PkgPath, p.Errors[0])
		}
		if importable(p.Name, p.PkgPath) {
			api.Packages = append(api.Packages, p.Types)
		}
	}
	if len(api.Packages) == 0 {
		return nil, fmt.Errorf("%s: no packages", dir)
	}
	return api, nil
}

func importable(name, path string) bool {
	return name != "main" && !strings.Contains("/"+path+"/", "/internal/") && !strings.Contains("/"+path+"/", "/examples/")
}
