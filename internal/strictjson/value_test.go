package strictjson

import (
	"strings"
	"testing"
)

// valueOf returns s as a member of an object has it; it begins at byte 5.
func valueOf(t testing.TB, s string) Value {
	t.Helper()
	m := Object(`{"v":` + s + `}`)
	if !m.Next() {
		t.Fatalf("%q: %v", s, m.Err())
	}
	return m.Value()
}

func TestKind(t *testing.T) {
	for raw, want := range map[string]Kind{
		`null`: Null, `true`: Bool, `false`: Bool, `0`: Number, `-1`: Number, `9e9`: Number,
		`""`: String, `"null"`: String, `[]`: Array, `[{}]`: Array, `{}`: ObjectKind, `{"a":[]}`: ObjectKind,
	} {
		v := valueOf(t, raw)
		if v.Kind() != want || v.Raw() != raw {
			t.Errorf("%s: kind %d, want %d; raw %q", raw, v.Kind(), want, v.Raw())
		}
	}
	if v := (Value{}); v.Kind() != Absent || v.Raw() != "" {
		t.Errorf("zero Value: kind %d, raw %q", v.Kind(), v.Raw())
	}
}

func TestText(t *testing.T) {
	const notText, lone = "not a JSON string at byte 5", "invalid JSON at byte 6: lone surrogate"
	for _, c := range []struct{ name, raw, want, err string }{
		{"empty", `""`, "", ""},
		{"plain", `"abc"`, "abc", ""},
		{"UTF-8", `"é日😀"`, "é日😀", ""},
		{"every short escape", `"\"\\\/\b\f\n\r\t"`, "\"\\/\b\f\n\r\t", ""},
		{"between plain text", `"a\nb\tc"`, "a\nb\tc", ""},
		{"four digits of either case", `"\u0041\u00e9\u00E9\uFFFD"`, "Aéé\uFFFD", ""},
		{"null character", `"a\u0000b"`, "a\x00b", ""},
		{"more digits than four", `"\u00410"`, "A0", ""},
		{"a surrogate pair", `"\ud83d\ude00"`, "😀", ""},
		{"the first and the last pair", `"\ud800\udc00\udbff\udfff"`, "\U00010000\U0010FFFF", ""},
		{"around the surrogates", `"\ud7ff\ue000"`, "\ud7ff\ue000", ""},
		{"an escaped backslash before a u", `"\\ud800"`, `\ud800`, ""},
		{"a high half alone", `"\ud83d"`, "", lone},
		{"a low half alone", `"\ude00"`, "", lone},
		{"the halves in the wrong order", `"\ude00\ud83d"`, "", lone},
		{"a high half before a letter", `"\ud83dx"`, "", lone},
		{"a high half before what looks like the other", `"\ud83d\\ude00"`, "", lone},
		{"a high half before an escaped letter", `"\ud83d\u0041"`, "", lone},
		{"a high half before digits that no escape begins", `"\ud83dxxde00"`, "", lone},
		{"a high half before digits behind another escape", `"\ud83d\nde00"`, "", lone},
		{"a high half before a pair", `"\ud83d\ud83d\ude00"`, "", lone},
		{"a high half and the replacement character", `"\ud83d\ufffd"`, "", lone},
		{"a half behind good text", `"abc\n\udfff"`, "", "invalid JSON at byte 11: lone surrogate"},
		{"null", `null`, "", notText},
		{"a number", `1`, "", notText},
		{"a literal", `true`, "", notText},
		{"an array", `["a"]`, "", notText},
		{"an object", `{"a":"b"}`, "", notText},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := valueOf(t, c.raw).Text()
			wantError(t, err, c.err)
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	_, err := Value{}.Text()
	wantError(t, err, "not a JSON string at byte 0")
}

// A string with escapes is decoded in one allocation.
func TestTextAllocatesOnce(t *testing.T) {
	v := valueOf(t, `"`+strings.Repeat(`\u00e9x`, 50)+`"`)
	if n := testing.AllocsPerRun(100, func() {
		if s, err := v.Text(); err != nil || len(s) != 150 {
			t.Error(s, err)
		}
	}); n != 1 {
		t.Errorf("%v allocations", n)
	}
}

func TestElements(t *testing.T) {
	for _, c := range []struct {
		name, raw string
		want      []string
		err       string
	}{
		{"none", `[]`, nil, ""},
		{"none, with whitespace", "[ \n]", nil, ""},
		{"one", `[1]`, []string{"1"}, ""},
		{"every kind", `[null,true,-0,"a",[[]],{"b":[1,2]}]`, []string{"null", "true", "-0", `"a"`, "[[]]", `{"b":[1,2]}`}, ""},
		{"whitespace is not part of an element", "[ 1 ,\t[ 2 ]\r\n, \"x\" ]", []string{"1", "[ 2 ]", `"x"`}, ""},
		{"null", `null`, nil, "not a JSON array at byte 5"},
		{"an object", `{"a":1}`, nil, "not a JSON array at byte 5"},
		{"a string", `"[]"`, nil, "not a JSON array at byte 5"},
		{"a number", `1`, nil, "not a JSON array at byte 5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := valueOf(t, c.raw).Elements()
			var got []string
			for e.Next() {
				got = append(got, e.Value().Raw())
			}
			if strings.Join(got, "|") != strings.Join(c.want, "|") {
				t.Errorf("got %q, want %q", got, c.want)
			}
			wantError(t, e.Err(), c.err)
			if e.Next() || e.Value().Kind() != Absent {
				t.Error("an element is left behind the end")
			}
			fresh := valueOf(t, c.raw).Elements()
			wantError(t, fresh.Err(), c.err) // also without iterating
		})
	}
	var zero Elements
	wantError(t, zero.Err(), "not a JSON array at byte 0")
	none := Value{}.Elements()
	wantError(t, none.Err(), "not a JSON array at byte 0")
}

func TestOptionalText(t *testing.T) {
	for _, c := range []struct {
		raw, want string
		ok        bool
	}{
		{`"a"`, "a", true},
		{`"\u0061"`, "a", true},
		{`""`, "", true},
		{`null`, "", true},
		{`"\ud800"`, "", false},
		{`1`, "", false},
		{`false`, "", false},
		{`["a"]`, "", false},
		{`{}`, "", false},
	} {
		if got, ok := valueOf(t, c.raw).OptionalText(); got != c.want || ok != c.ok {
			t.Errorf("%s: %q, %v", c.raw, got, ok)
		}
	}
	if got, ok := (Value{}).OptionalText(); got != "" || !ok {
		t.Errorf("absent: %q, %v", got, ok)
	}
}
