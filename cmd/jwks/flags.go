package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/textproto"
	"strings"
	"time"
	"unicode"
)

// errHelp says that help was asked for.
var errHelp = flag.ErrHelp

// flags are those of one command.
type flags struct {
	*flag.FlagSet
	shared map[string]bool // those that several commands have
}

func newFlags(name string) *flags {
	f := &flags{flag.NewFlagSet(name, flag.ContinueOnError), map[string]bool{}}
	f.SetOutput(io.Discard) // the program says itself what is wrong
	f.Usage = func() {}
	return f
}

// parse returns what is not a flag. Flags may come after it: a token is pasted
// first and its flags are thought of later. After "--" there are none.
func (f *flags) parse(args []string) (rest []string, err error) {
	for {
		if err := f.Parse(args); err != nil {
			return nil, f.explain(err)
		}
		if f.NArg() == 0 {
			return rest, nil
		}
		if used := len(args) - f.NArg(); used > 0 && args[used-1] == "--" {
			return append(rest, f.Args()...), nil
		}
		rest = append(rest, f.Arg(0))
		args = f.Args()[1:]
	}
}

// explain adds the flag that was meant to an error about one that does not
// exist.
func (f *flags) explain(err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return errHelp
	}
	text := strings.TrimPrefix(err.Error(), "jwks: ")
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		var known []string
		f.VisitAll(func(k *flag.Flag) { known = append(known, k.Name) })
		text = "unknown flag -" + name
		if near := nearest(name, known); near != "" {
			text += ", did you mean -" + near + "?"
		}
	}
	return usageError(text)
}

// list is a flag that may be given several times.
type list struct {
	values []string
	split  bool // also at commas and spaces
}

func (l *list) String() string { return strings.Join(l.values, ",") }

func (l *list) Set(value string) error {
	if value == "" {
		return errors.New("it is empty")
	}
	if !l.split {
		l.values = append(l.values, value)
		return nil
	}
	l.values = append(l.values, strings.FieldsFunc(value, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })...)
	return nil
}

// moment is a flag with a time of RFC 3339.
type moment struct{ time.Time }

func (m *moment) String() string {
	if m.IsZero() {
		return ""
	}
	return m.Format(time.RFC3339)
}

func (m *moment) Set(value string) (err error) {
	if m.Time, err = time.Parse(time.RFC3339, value); err != nil {
		return errors.New("want a time as in RFC 3339, such as 2026-11-27T13:22:10Z")
	}
	return nil
}

// headers are those of -header.
type headers struct{ names, values []string }

func (h *headers) String() string { return "" } // they may be secret

func (h *headers) Set(line string) error {
	name, value, ok := strings.Cut(line, ":")
	if name = strings.TrimSpace(name); !ok || name == "" {
		return errors.New("want 'Name: value'")
	}
	h.names = append(h.names, textproto.CanonicalMIMEHeaderKey(name))
	h.values = append(h.values, strings.TrimSpace(value))
	return nil
}

// common are the flags that several commands share.
type common struct {
	json     bool
	timeout  time.Duration
	insecure bool
	ca       string
	headers  headers
}

const defaultTimeout = 30 * time.Second

// output adds the flags of every command with a result. One that is endless has
// no time limit unless one is set.
func (c *common) output(f *flags, endless bool) {
	timeout, text := defaultTimeout, "end after `duration`, even if something is still under way"
	if endless {
		timeout, text = 0, "end after `duration`; 0 means never"
	}
	f.BoolVar(&c.json, "json", false, "print JSON for programs, see jwks help json")
	f.DurationVar(&c.timeout, "timeout", timeout, text)
	f.shared["json"], f.shared["timeout"] = true, true
}

// network adds the flags of commands that ask an issuer.
func (c *common) network(f *flags) {
	f.BoolVar(&c.insecure, "insecure-http", false, "allow http to hosts other than this machine")
	f.StringVar(&c.ca, "ca", "", "trust the certificates in `file` (PEM) besides those of the system")
	f.Var(&c.headers, "header", "send `'Name: value'` to the host named on the command line, and to no other; repeatable")
	for _, name := range []string{"insecure-http", "ca", "header"} {
		f.shared[name] = true
	}
}

func (c *common) check() error {
	if c.timeout < 0 {
		return usagef("-timeout %v: want a duration above 0", c.timeout)
	}
	return nil
}

// describe lists flags for help: those of the command alone, or the shared ones.
func (f *flags) describe(shared bool) string {
	var b strings.Builder
	f.VisitAll(func(one *flag.Flag) {
		if f.shared[one.Name] != shared {
			return
		}
		value, usage := flag.UnquoteUsage(one)
		head := "-" + one.Name
		if value != "" {
			head += " " + value
		}
		if d := one.DefValue; d != "" && d != "false" && d != "0s" {
			usage += " (default " + d + ")"
		}
		if len(head) > 21 {
			fmt.Fprintf(&b, "  %s\n%26s%s\n", head, "", usage)
			return
		}
		fmt.Fprintf(&b, "  %-22s  %s\n", head, usage)
	})
	return b.String()
}
