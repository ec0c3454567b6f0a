package strictjson

// Elements iterates the elements of one array:
//
//	e := value.Elements()
//	for e.Next() {
//		… e.Value()
//	}
//	if err := e.Err(); err != nil {
//		…
//	}
//
// The array has been found valid when its Value was made, so the only error
// is that the value is not an array.
type Elements struct {
	s        string
	at       int // where s begins in the outermost text
	pos      int
	begun    bool
	done     bool
	problem  problem
	wrong    int
	from, to int // of the current element
}

// Elements returns the elements of an array. Of any other value there are
// none and [Elements.Err] says so.
func (v Value) Elements() Elements {
	return Elements{s: v.raw, at: v.at}
}

// Value returns the current element. Behind the last one its kind is [Absent].
func (e *Elements) Value() Value {
	return Value{raw: e.s[e.from:e.to], at: e.at + e.from}
}

// Err returns an *[Error] if the value is not an array. Called before Next has
// returned false, it first reads the rest.
func (e *Elements) Err() error {
	for e.Next() {
	}
	if e.problem == fine {
		return nil
	}
	return &Error{Offset: e.at + e.wrong, problem: e.problem}
}

// Next goes to the next element. It returns false behind the last one, and at
// once if there is no array.
func (e *Elements) Next() bool {
	if e.done {
		return false
	}
	i, more, p := e.separator()
	from := i
	if p == fine && more {
		i, p = skipValue(e.s, from, 1)
	}
	if p != fine || !more {
		e.done, e.problem, e.wrong = true, p, i
		e.from, e.to = 0, 0
		return false
	}
	e.from, e.to, e.pos = from, i, i
	return true
}

// separator goes to the next element, past the opening bracket or a comma. At
// the closing bracket there are no more.
func (e *Elements) separator() (i int, more bool, p problem) {
	s := e.s
	if e.begun {
		i = skipSpace(s, e.pos)
		if i < len(s) && s[i] == ',' {
			return skipSpace(s, i+1), true, fine
		}
	} else {
		e.begun = true
		if len(s) == 0 || s[0] != '[' {
			return 0, false, notArray
		}
		i = skipSpace(s, 1)
		if i < len(s) && s[i] != ']' {
			return i, true, fine
		}
	}
	if i >= len(s) {
		return len(s), false, unexpectedEnd
	}
	if s[i] != ']' {
		return i, false, unexpectedCharacter
	}
	return i + 1, false, fine
}
