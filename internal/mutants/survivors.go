package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// accepted are the survivors that may survive, by key, each with its reason.
type accepted map[string]string

// readAccepted reads the list of survivors: one entry after the other,
// separated by blank lines, and comments that begin with "#".
//
//	file internal/freshness/freshness.go
//	func backoff
//	- the line as it is
//	+ the line as the mutant has it
//	why the reason, on one line
func readAccepted(r io.Reader) (accepted, error) {
	all := accepted{}
	var m mutant
	var why string
	lines := bufio.NewScanner(r)
	finish := func(n int) error {
		if m == (mutant{}) && why == "" {
			return nil
		}
		if m.file == "" || m.was == "" || m.is == "" || why == "" {
			return fmt.Errorf("line %d: an entry needs file, func, -, + and why", n)
		}
		if _, ok := all[m.key()]; ok {
			return fmt.Errorf("line %d: %s is there twice", n, m.was)
		}
		all[m.key()] = why
		m, why = mutant{}, ""
		return nil
	}
	n := 0
	for lines.Scan() {
		n++
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			if err := finish(n); err != nil {
				return nil, err
			}
			continue
		}
		name, value, _ := strings.Cut(line, " ")
		value = strings.TrimSpace(value)
		switch name {
		case "#":
		case "file":
			m.file = value
		case "func":
			m.function = value
		case "-":
			m.was = value
		case "+":
			m.is = value
		case "why":
			why = value
		default:
			return nil, fmt.Errorf("line %d: %q is not file, func, -, +, why or #", n, name)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return all, finish(n)
}

// entry writes a survivor as the list has it, for somebody to give the reason.
func (m *mutant) entry() string {
	return fmt.Sprintf("file %s\nfunc %s\n- %s\n+ %s\nwhy \n", m.file, m.function, m.was, m.is)
}
