// Package strictjson reads JSON that others wrote without letting them say one
// thing to us and another to the next reader. It accepts RFC 8259 and nothing
// beside it: valid UTF-8, no byte order mark, nothing after the value, nesting
// of at most [MaxDepth], and no member twice in an object. Names are compared
// exactly, after their escapes are decoded.
//
// It scans a string in place. An object of up to 32 members costs no
// allocation, and only strings with escapes are copied.
package strictjson

import "strings"

// inline is the number of names an object may have before a map is made.
const inline = 32

// Members iterates the members of one object:
//
//	m := strictjson.Object(text)
//	for m.Next() {
//		… m.Name(), m.Value()
//	}
//	if err := m.Err(); err != nil {
//		…
//	}
//
// What Next yields may come before an error further on, such as a second
// member of the same name: nothing may be trusted before Err has returned nil.
//
// Of the values only the syntax and depth are checked, all the way down.
// Duplicates inside a nested object are found by who iterates that object with
// [Value.Members]; lone surrogates in a string by [Value.Text].
//
// A Members must not be copied once Next has been called.
type Members struct {
	s        string
	at       int // where s begins in the outermost text
	pos      int
	begun    bool
	done     bool
	nested   bool // s is a value found valid before, so nothing can follow it
	repeats  bool
	problem  problem
	wrong    int    // where the problem is
	repeated string // the name of a duplicate member

	name     string
	from, to int // of the value

	// The names seen. Each sets one bit of marks, so that most are known to be
	// new without a comparison; past the array they move into a map, which
	// nobody can make slow with names chosen to collide.
	marks uint64
	count int
	names [inline]string
	more  map[string]struct{}
}

// Object returns the members of s, which must be exactly one JSON object in
// valid UTF-8 with nothing but JSON whitespace around it. Anything else is
// what [Members.Err] reports.
func Object(s string) Members {
	return Members{s: s}
}

// Members returns the members of an object. Of any other value there are none
// and [Members.Err] says so.
func (v Value) Members() Members {
	return Members{s: v.raw, at: v.at, nested: true}
}

// AllowDuplicates lets names occur more than once. The default is that the
// second is an error. It must be called before the first Next.
func (m *Members) AllowDuplicates() { m.repeats = true }

// Name returns the name of the current member, its escapes decoded. Behind the
// last member, and behind an error, it is "".
func (m *Members) Name() string { return m.name }

// Value returns the value of the current member. Behind the last member, and
// behind an error, its kind is [Absent].
func (m *Members) Value() Value {
	return Value{raw: m.s[m.from:m.to], at: m.at + m.from}
}

// Err returns an *[Error] if the text is not what was asked for, naming the
// first place that is wrong. Called before Next has returned false, it first
// reads the rest, so that it never vouches for what has not been read.
func (m *Members) Err() error {
	for m.Next() {
	}
	if m.problem == fine {
		return nil
	}
	return &Error{Offset: m.at + m.wrong, Member: m.repeated, problem: m.problem}
}

// Next goes to the next member. It returns false behind the last one and at
// the first error.
func (m *Members) Next() bool {
	if m.done {
		return false
	}
	i, more, p := m.separator()
	if p != fine {
		return m.fail(i, p)
	}
	if !more {
		m.finish(i)
		return false
	}

	first := i
	i, escaped, p := skipString(m.s, i)
	if p != fine {
		return m.fail(i, p)
	}
	name := m.s[first+1 : i-1]
	if escaped {
		var at int
		if name, at, p = unescape(name); p != fine {
			return m.fail(first+1+at, p)
		}
	}
	if i, p = skipColon(m.s, i); p != fine {
		return m.fail(i, p)
	}
	from := skipSpace(m.s, i)
	if i, p = skipValue(m.s, from, 1); p != fine {
		return m.fail(i, p)
	}
	if !m.repeats && m.seen(name) {
		m.repeated = name
		return m.fail(first, duplicateMember)
	}
	m.name, m.from, m.to, m.pos = name, from, i, i
	return true
}

// separator goes to the next name, past the opening brace or a comma. At the
// closing brace there are no more and the index is behind it.
func (m *Members) separator() (i int, more bool, p problem) {
	s := m.s
	if m.begun {
		i = skipSpace(s, m.pos)
		if i < len(s) && s[i] == ',' {
			return skipSpace(s, i+1), true, fine
		}
	} else {
		m.begun = true
		if m.nested {
			i = 0
			if len(s) == 0 {
				return 0, false, notObject
			}
		} else if i, p = begin(s); p != fine {
			return i, false, p
		}
		if s[i] != '{' {
			return i, false, notObject
		}
		i = skipSpace(s, i+1)
		if i < len(s) && s[i] != '}' {
			return i, true, fine
		}
	}
	if i >= len(s) {
		return len(s), false, unexpectedEnd
	}
	if s[i] != '}' {
		return i, false, unexpectedCharacter
	}
	return i + 1, false, fine
}

// finish ends the iteration behind the closing brace.
func (m *Members) finish(i int) {
	if !m.nested {
		var p problem
		if i, p = end(m.s, i); p != fine {
			m.fail(i, p)
			return
		}
	}
	m.done = true
	m.clear()
}

// fail ends the iteration with a problem.
func (m *Members) fail(i int, p problem) bool {
	m.done, m.problem, m.wrong = true, p, i
	m.clear()
	return false
}

// clear makes Name and Value empty once there is no current member.
func (m *Members) clear() { m.name, m.from, m.to = "", 0, 0 }

// seen notes a name and tells whether it was there before.
func (m *Members) seen(name string) bool {
	if m.more != nil {
		if _, ok := m.more[name]; ok {
			return true
		}
		m.more[name] = struct{}{}
		return false
	}
	mark := uint64(1) << (hash(name) % 64)
	if m.marks&mark != 0 {
		for _, n := range m.names[:m.count] {
			if n == name {
				return true
			}
		}
	}
	m.marks |= mark
	if m.count < inline {
		m.names[m.count] = name
		m.count++
		return false
	}
	m.spill()
	m.more[name] = struct{}{}
	return false
}

// spill moves the names into a map. Its size is guessed from what follows, so
// that it need not grow, but never beyond what could be members at all: the
// guess must not become a way to spend memory.
func (m *Members) spill() {
	const shortest = len(`"a":1,`)
	rest := m.s[m.pos:]
	m.more = make(map[string]struct{}, inline+min(strings.Count(rest, `":`), len(rest)/shortest))
	for _, n := range m.names {
		m.more[n] = struct{}{}
	}
}

// hash spreads names over the marks; it need not be strong, as a collision
// costs at most a comparison with the names of the array.
func hash(name string) uint {
	n := uint(len(name))
	if n == 0 {
		return 0
	}
	return n + uint(name[0])*2 + uint(name[n/2])*7 + uint(name[n-1])*17
}
