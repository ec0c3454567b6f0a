package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-22400188/jwks/internal/mutants/overlay"
)

// rounds is how often a compiler may find errors behind those it told before.
const rounds = 20

// compiled is the code with all mutants in it that compile.
type compiled struct {
	flags   []string // for the go command
	invalid map[*mutant]bool
}

// compile numbers the mutants that can be copies in one build, and drops those
// that do not compile. The files of the overlay are in dir.
func (o options) compile(ctx context.Context, dir string, picked []*mutant, sources map[string][]byte) (compiled, error) {
	c := compiled{invalid: map[*mutant]bool{}}
	root, err := filepath.Abs(o.root)
	if err != nil {
		return c, err
	}
	module, err := o.goCommand(ctx, "list", "-m")
	if err != nil {
		return c, err
	}
	for i, m := range picked {
		m.id = i + 1
	}
	for range rounds {
		tried := slices.DeleteFunc(slices.Clone(picked), func(m *mutant) bool { return c.invalid[m] })
		replace, spans, err := overlayOf(tried, sources)
		if err != nil {
			return c, err
		}
		list, err := overlay.Write(dir, o.root, replace)
		if err != nil {
			return c, err
		}
		// -e tells all errors at once; one pattern for all builds makes them
		// share what they built.
		c.flags = []string{"-gcflags=" + strings.TrimSpace(module) + "/...=-e", "-overlay", list}
		var packages []string
		for file := range spans {
			packages = append(packages, packageOf(file))
		}
		if len(packages) > 0 {
			slices.Sort(packages)
			_, err = o.goCommand(ctx, slices.Concat([]string{"build", "-o", os.DevNull}, c.flags, slices.Compact(packages))...)
		}
		if err == nil {
			keepIDs(picked, spans)
			return c, nil
		}
		if ctx.Err() != nil {
			return c, ctx.Err()
		}
		bad, unknown := blame(root, dir, err.Error(), spans)
		if len(bad) == 0 || unknown != "" {
			return c, fmt.Errorf("the mutants do not build, and %q is the error of none: %w", unknown, err)
		}
		for _, m := range bad {
			c.invalid[m] = true
		}
	}
	return c, fmt.Errorf("the mutants do not build after %d rounds", rounds)
}

// keepIDs takes the number from each mutant that has no copy.
func keepIDs(picked []*mutant, spans map[string][]span) {
	has := map[*mutant]bool{}
	for _, some := range spans {
		for _, s := range some {
			has[s.mutant] = true
		}
	}
	for _, m := range picked {
		if !has[m] {
			m.id = 0
		}
	}
}

var compileError = regexp.MustCompile(`(?m)^(\S+\.go):(\d+)(?::\d+)?: .*$`)

// blame lists the mutants in whose copies the compiler found errors, and the
// first error that is in none. The compiler names a file in the module or its
// replacement in dir, relative to the root or not.
func blame(root, dir, output string, spans map[string][]span) (bad []*mutant, unknown string) {
	for _, found := range compileError.FindAllStringSubmatch(output, -1) {
		file, line := filepath.FromSlash(found[1]), found[2]
		if !filepath.IsAbs(file) {
			file = filepath.Join(root, file)
		}
		i, some := -1, []span(nil)
		for _, base := range []string{dir, root} {
			name, err := filepath.Rel(base, file)
			n, err2 := strconv.Atoi(line)
			if some = spans[filepath.ToSlash(name)]; err != nil || err2 != nil || some == nil {
				continue
			}
			i = slices.IndexFunc(some, func(s span) bool { return s.first <= n && n <= s.last })
			break
		}
		if i < 0 {
			return bad, found[0]
		}
		bad = append(bad, some[i].mutant)
	}
	return bad, ""
}

// goCommand runs the go command in the module. The error holds what it wrote.
func (o options) goCommand(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = o.root
	var errs strings.Builder
	cmd.Stderr = &errs
	output, err := cmd.Output()
	if err != nil {
		return "", errors.Join(fmt.Errorf("go %s: %w", args[0], err), errors.New(errs.String()+string(output)))
	}
	return string(output), nil
}
