package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
	modpath "golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// checkBuilds builds every module as others will: its committed files, without
// a replace, against the release of its neighbours, in a module cache that holds
// nothing yet. The release does not exist so far, so a module proxy of files
// made from HEAD stands in for it; other modules come from the module cache of
// this machine, or from where the go command gets them.
func (r *release) checkBuilds() (string, error) {
	folder, err := os.MkdirTemp("", "repocheck-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(folder)
	env, err := r.freshEnvironment(folder)
	if err != nil {
		return "", err
	}
	tree := filepath.Join(folder, "tree")
	if err := os.Mkdir(tree, 0o755); err != nil {
		return "", err
	}
	if err := r.extract("HEAD", tree); err != nil {
		return "", err
	}
	if err := r.publish(tree, filepath.Join(folder, "proxy")); err != nil {
		return "", err
	}
	var problems []error
	for _, m := range r.modules {
		if m.published() {
			err = r.buildConsumer(m, filepath.Join(folder, "consumer"), env)
		} else {
			err = r.buildWithoutReplace(m, filepath.Join(tree, filepath.FromSlash(m.dir)), env)
		}
		if err != nil {
			problems = append(problems, err)
		}
	}
	return fmt.Sprintf("%d modules, none with a replace", len(r.modules)), errors.Join(problems...)
}

func (r *release) freshEnvironment(folder string) ([]string, error) {
	where, err := output(exec.Command("go", "env", "GOMODCACHE", "GOPROXY"))
	if err != nil {
		return nil, err
	}
	cache, proxies, _ := strings.Cut(where, "\n")
	return append(os.Environ(),
		"GOWORK=off",
		"GOFLAGS=-mod=mod -modcacherw -trimpath",
		"GOMODCACHE="+filepath.Join(folder, "modcache"),
		"GOPROXY="+fileURL(filepath.Join(folder, "proxy"))+","+fileURL(filepath.Join(cache, "cache", "download"))+","+proxies,
		"GONOSUMDB="+r.modules[0].path()+","+r.modules[0].path()+"/*", // it cannot know what is not released
	), nil
}

func fileURL(folder string) string {
	return "file:///" + strings.TrimPrefix(filepath.ToSlash(folder), "/")
}

// publish writes a module proxy (go.dev/ref/mod#goproxy-protocol) with this
// release of every module of a tree of committed files.
func (r *release) publish(tree, proxy string) error {
	for _, m := range r.modules {
		escaped, err := modpath.EscapePath(m.path())
		if err != nil {
			return err
		}
		folder := filepath.Join(proxy, filepath.FromSlash(escaped), "@v")
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		base := filepath.Join(folder, r.version)
		archive, err := os.Create(base + ".zip")
		if err != nil {
			return err
		}
		err = zip.CreateFromDir(archive, modpath.Version{Path: m.path(), Version: r.version}, filepath.Join(tree, filepath.FromSlash(m.dir)))
		if err := errors.Join(err, archive.Close()); err != nil {
			return err
		}
		file, err := m.file.Format()
		if err != nil {
			return err
		}
		for name, content := range map[string]string{
			base + ".mod":                 string(file),
			base + ".info":                fmt.Sprintf("{%q:%q}", "Version", r.version),
			filepath.Join(folder, "list"): r.version + "\n",
		} {
			if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// buildConsumer builds every package of a published module from a module that
// requires it, which is how its replaces come not to count.
func (r *release) buildConsumer(m module, folder string, env []string) error {
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	file := fmt.Sprintf("module consumer\n\ngo %s\n\nrequire %s %s\n", m.file.Go.Version, m.path(), r.version)
	if err := os.WriteFile(filepath.Join(folder, "go.mod"), []byte(file), 0o644); err != nil {
		return err
	}
	if err := run(folder, env, "go", "mod", "download", m.path()); err != nil {
		return err
	}
	return run(folder, env, "go", "build", "-o", os.DevNull, m.path()+"/...")
}

// buildWithoutReplace builds a module that is not published from its files.
func (r *release) buildWithoutReplace(m module, folder string, env []string) error {
	file := filepath.Join(folder, "go.mod")
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	parsed, err := modfile.Parse(file, content, nil)
	if err != nil {
		return err
	}
	for _, replaced := range parsed.Replace {
		old := replaced.Old // DropReplace empties what it drops
		if err := parsed.DropReplace(old.Path, old.Version); err != nil {
			return err
		}
		if r.moduleAt(old.Path) == nil {
			continue
		}
		if err := parsed.AddRequire(old.Path, r.version); err != nil {
			return err
		}
	}
	parsed.Cleanup()
	if content, err = parsed.Format(); err != nil {
		return err
	}
	if err := os.WriteFile(file, content, 0o644); err != nil {
		return err
	}
	return run(folder, env, "go", "build", "-o", os.DevNull, "./...")
}

func run(dir string, env []string, command ...string) error {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir, cmd.Env = dir, env
	_, err := output(cmd)
	return err
}
