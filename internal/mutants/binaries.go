package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/seed-22400188/jwks/internal/mutants/overlay"
)

// binary holds the tests of one package and all mutants.
type binary struct {
	overlay.Binary
	took    time.Duration // without a mutant
	skipped []string      // tests that fail because of the copies, as they are
}

// binaries is what the mutants of a run meet.
type binaries struct {
	o       options
	suites  []string
	invalid map[*mutant]bool
	of      map[string]*binary // by package
}

// build builds the mutants into the tests of their packages and of the suites,
// in dir, and sees how the tests do without a mutant.
func (o options) build(ctx context.Context, dir string, picked []*mutant, sources map[string][]byte, suites []string, out io.Writer) (*binaries, error) {
	c, err := o.compile(ctx, dir, picked, sources)
	if err != nil {
		return nil, err
	}
	b := &binaries{o: o, suites: suites, invalid: c.invalid, of: map[string]*binary{}}
	for _, m := range picked {
		if m.id == 0 {
			continue
		}
		for _, p := range b.packages(m) {
			if _, ok := b.of[p]; ok {
				continue
			}
			one, err := o.binary(ctx, filepath.Join(dir, fmt.Sprint(len(b.of), ".test")), p, c.flags)
			if err != nil {
				return nil, err
			}
			b.of[p] = one
			if one != nil && len(one.skipped) > 0 {
				fmt.Fprintf(out, "%s: met without copies, which they notice: %s\n", p, strings.Join(one.skipped, ", "))
			}
		}
	}
	return b, nil
}

// binary builds the tests of one package. It returns nil if there are none.
func (o options) binary(ctx context.Context, path, pkg string, flags []string) (*binary, error) {
	if _, err := o.goCommand(ctx, slices.Concat([]string{"test", "-c", "-vet=off", "-o", path}, flags, []string{pkg})...); err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	b := &binary{Binary: overlay.Binary{Path: path, Dir: filepath.Join(o.root, filepath.FromSlash(pkg))}}
	return b, b.settle(ctx, o)
}

var failedTest = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)

// settle runs the tests without a mutant until those that fail only because of
// the copies are known: tests of allocations, for example, since a function with
// a jump in it is not inlined. The tests pass on the code without copies.
func (b *binary) settle(ctx context.Context, o options) error {
	for {
		begin := time.Now()
		result, output, err := b.Run(ctx, 10*o.limit, b.args(o, false), o.env(0))
		if err != nil {
			return err
		}
		if result == overlay.Passed {
			b.took = time.Since(begin)
			return nil
		}
		known := len(b.skipped)
		for _, found := range failedTest.FindAllStringSubmatch(output, -1) {
			if !slices.Contains(b.skipped, found[1]) {
				b.skipped = append(b.skipped, found[1])
			}
		}
		if len(b.skipped) == known {
			return fmt.Errorf("the tests in %s with all mutants built in and none active: %v\n%s", b.Dir, result, output)
		}
	}
}

// args are those of the binary.
func (b *binary) args(o options, failfast bool) []string {
	skip := o.skip
	if len(b.skipped) > 0 {
		skip = strings.TrimPrefix(skip+"|"+only(b.skipped), "|")
	}
	args := []string{"-test.skip", skip}
	if o.short {
		args = append(args, "-test.short")
	}
	if failfast {
		args = append(args, "-test.failfast")
	}
	return args
}

// only is the pattern of these tests.
func only(tests []string) string { return "^(" + strings.Join(tests, "|") + ")$" }

// limit is for one mutant: the tests may be several times as slow as without,
// for a machine may be busy.
func (b *binary) limit(upper time.Duration) time.Duration { return min(6*b.took+10*time.Second, upper) }

// try runs the tests with a mutant. A busy machine can stop for longer than the
// limit, which would make a survivor look noticed, so that a mutant that runs out
// of time gets a second run with far more of it.
func (b *binary) try(ctx context.Context, o options, id int) (overlay.Result, error) {
	limit := b.limit(o.limit)
	result, _, err := b.Run(ctx, limit, b.args(o, true), o.env(id))
	if err == nil && result == overlay.TimedOut && limit < o.limit {
		result, _, err = b.Run(ctx, min(4*limit, o.limit), b.args(o, true), o.env(id))
	}
	return result, err
}

// packages are those whose tests a mutant meets, in this order.
func (b *binaries) packages(m *mutant) []string { return packagesFor(m, b.suites) }

// meet lets a mutant meet the tests of its package and then the suites, until
// one notices it: in the binaries if it has a copy there, else in a build of its
// own. Tests that notice the copies as such meet what is left, in a build of its
// own as well.
func (b *binaries) meet(ctx context.Context, m *mutant, source []byte) (overlay.Result, error) {
	if b.invalid[m] {
		return overlay.NotCompiled, nil
	}
	if m.id == 0 {
		return b.o.meet(ctx, m, source, b.suites)
	}
	packages := b.packages(m)
	for _, p := range packages {
		one := b.of[p]
		if one == nil {
			continue
		}
		result, err := one.try(ctx, b.o, m.id)
		if err != nil || result != overlay.Passed {
			return result, err
		}
	}
	for _, p := range packages {
		if b.of[p] == nil || len(b.of[p].skipped) == 0 {
			continue
		}
		result, _, err := b.o.test(ctx, map[string][]byte{m.file: m.apply(source)}, []string{p}, "-run", only(b.of[p].skipped))
		if err != nil || result != overlay.Passed {
			return result, err
		}
	}
	return overlay.Passed, nil
}
