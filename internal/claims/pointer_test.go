package claims

import (
	"slices"
	"testing"

	"github.com/seed-22400188/jwks/internal/strictjson"
)

// TestPath_RFC6901 has the examples of RFC 6901 section 5, but for the whole
// document, which is not a claim.
func TestPath_RFC6901(t *testing.T) {
	s := Set{Text: `{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}`}
	for pointer, want := range map[string]string{
		"/foo": `["bar","baz"]`, "/foo/0": `"bar"`, "/": "0", "/a~1b": "1", "/c%d": "2",
		"/e^f": "3", "/g|h": "4", `/i\j`: "5", `/k"l`: "6", "/ ": "7", "/m~0n": "8",
	} {
		path, err := ParsePath(pointer)
		if err != nil {
			t.Errorf("%s: %v", pointer, err)
		}
		if got := s.Find(path).Raw(); got != want {
			t.Errorf("%s: %s, want %s", pointer, got, want)
		}
	}
}

func TestPath_Find(t *testing.T) {
	s := Set{Text: `{"a":{"b":[{"c":"x"},[1,2]],"~1":3,"n":null},"a/b":4,"twice":{"k":1,"k":2,"in":{"k":1}},"/slash":5,"list":[0,1,2,3,4,5,6,7,8,9,10]}`}
	for name, want := range map[string]string{
		"a/b": "4", "/a~1b": "4", "/a/b/0/c": `"x"`, "/a/b/1/1": "2", "/a/~01": "3", "/a/n": "null", "/~1slash": "5", "/list/9": "9", "/list/10": "10",
		"b": "", "/a/c": "", "/a/b/2": "", "/a/b/-": "", "/a/b/00": "", "/a/b/01": "", "/a/b/+1": "", "/a/b/-1": "", "/a/b/-0": "", "/a/b/": "", "/a/b/0/c/0": "",
		"/list/99999999999999999999": "", "/list/1_0": "", "/twice/k": "", "/twice/in/k": "", "/twice/in": "", "/": "", "/a/": "", "/A": "",
	} {
		path, err := ParsePath(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := s.Find(path); got.Raw() != want || (want == "") != (got.Kind() == strictjson.Absent) {
			t.Errorf("%s: %q, want %q", name, got.Raw(), want)
		}
	}
}

func TestPath_Malformed(t *testing.T) {
	for _, name := range []string{"", "/~", "/a~", "/~2", "/a/~0~", "/~~01"} {
		if path, err := ParsePath(name); err == nil {
			t.Errorf("%q is read as %q", name, path)
		}
	}
	for name, want := range map[string]Path{"~2": {"~2"}, "a/~": {"a/~"}, "/~01": {"~1"}, "/~10": {"/0"}, "//": {"", ""}} {
		if path, err := ParsePath(name); err != nil || !slices.Equal(path, want) {
			t.Errorf("%q is read as %q, %v, want %q", name, path, err, want)
		}
	}
}

func TestSet_Strings(t *testing.T) {
	s := Set{Text: `{"text":"a","empty":"","list":["a",1,"b",null,["c"],"a"],"none":[],"numbers":[1],"n":1,"o":{"r":["x"]},"null":null,"half":"\ud800","escape":"\u0061"}`}
	for name, want := range map[string][]string{
		"text": {"a"}, "empty": {""}, "list": {"a", "b", "a"}, "none": nil, "numbers": nil, "n": nil, "o": nil, "/o/r": {"x"},
		"null": nil, "absent": nil, "half": nil, "escape": {"a"}, "/list/0": {"a"}, "/list/4": {"c"},
	} {
		path, err := ParsePath(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Strings(path); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestSet_Confirmation(t *testing.T) {
	for payload, want := range map[string]struct {
		bound, broken bool
		jkt, x5t      string
		members       []string
		proved        bool // by a proof of "jkt" and "kid"
	}{
		`{}`:                                  {broken: true},
		`{"cnf":null}`:                        {broken: true},
		`{"CNF":{"jkt":"a"}}`:                 {broken: true},
		`{"cnf":{"jkt":"a"}}`:                 {bound: true, jkt: "a", members: []string{"jkt"}, proved: true},
		`{"cnf":{"x5t#S256":"b","kid":"c"}}`:  {bound: true, x5t: "b", members: []string{"x5t#S256", "kid"}},
		`{"cnf":{"jkt":1,"JKT":"x"}}`:         {bound: true, members: []string{"jkt", "JKT"}},
		`{"cnf":{"kid":"c","jkt":"a"}}`:       {bound: true, jkt: "a", members: []string{"kid", "jkt"}, proved: true},
		`{"cnf":{"jkt":"a","x5t#S256":null}}`: {bound: true, jkt: "a", members: []string{"jkt"}, proved: true},
		`{"cnf":{"x5t#S256":"b","jkt":"a"}}`:  {bound: true, jkt: "a", x5t: "b", members: []string{"x5t#S256", "jkt"}},
		`{"cnf":{"jkt":null}}`:                {bound: true},
		`{"cnf":{}}`:                          {bound: true},
		`{"cnf":{"jkt":"a","jkt":"b"}}`:       {bound: true, broken: true},
		`{"cnf":"a"}`:                         {bound: true, broken: true},
		`{"cnf":false}`:                       {bound: true, broken: true},
		`{"cnf":[{"jkt":"a"}]}`:               {bound: true, broken: true},
		`{"cnf":{"jkt":"a","\u006akt":"b"}}`:  {bound: true, broken: true},
		`{"cnf":{"jkt":"\ud800","kid":null}}`: {bound: true, members: []string{"jkt"}, proved: true},
	} {
		var s Set
		if err := s.Read(payload, nil); err != nil {
			t.Fatal(err)
		}
		jkt, x5t := s.Confirmation()
		members, err := s.ConfirmationMembers()
		if s.Bound() != want.bound || jkt != want.jkt || x5t != want.x5t || !slices.Equal(members, want.members) || (err != nil) != want.broken {
			t.Errorf("%s: bound %t, %q, %q, %q, %v", payload, s.Bound(), jkt, x5t, members, err)
		}
		if got := s.ConfirmedBy([]string{"jkt", "kid"}); got != want.proved {
			t.Errorf("%s: a proof of jkt and kid is enough: %t", payload, got)
		}
		if s.ConfirmedBy(nil) {
			t.Errorf("%s: no proof is enough", payload)
		}
	}
	var s Set
	if err := s.Read(`{"cnf":"a"}`, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ConfirmationMembers(); err == nil || err.Error() != "it is not an object" { // the text of an error for users
		t.Errorf("a string: %v", err)
	}
}
