package strictjson

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// member is what a test compares.
type member struct{ name, raw string }

// collect reads all members of s.
func collect(m Members) ([]member, error) {
	var all []member
	for m.Next() {
		all = append(all, member{m.Name(), m.Value().Raw()})
	}
	return all, m.Err()
}

func TestMembersAreYieldedInOrder(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []member
	}{
		{"none", `{}`, nil},
		{"none, with whitespace", " \r\n{\t} ", nil},
		{"one", `{"a":1}`, []member{{"a", "1"}}},
		{"every kind", `{"n":null,"t":true,"f":false,"s":"x","i":-1.5e3,"a":[1,[]],"o":{"p":{}}}`, []member{
			{"n", "null"}, {"t", "true"}, {"f", "false"}, {"s", `"x"`}, {"i", "-1.5e3"}, {"a", "[1,[]]"}, {"o", `{"p":{}}`}}},
		{"whitespace is not part of a value", "{ \"a\" :\t[ 1 ]\r\n, \"b\"\n:\n2 }", []member{{"a", "[ 1 ]"}, {"b", "2"}}},
		{"the empty name", `{"":""}`, []member{{"", `""`}}},
		{"case matters", `{"exp":1,"EXP":2,"Exp":3}`, []member{{"exp", "1"}, {"EXP", "2"}, {"Exp", "3"}}},
		{"names are decoded", `{"k\u0069d":1,"\ud83d\ude00":2,"a\/b":3,"\"\\":4,"\b\f\n\r\t":5,"é":6,"\u00E8":7}`, []member{
			{"kid", "1"}, {"😀", "2"}, {"a/b", "3"}, {`"\`, "4"}, {"\b\f\n\r\t", "5"}, {"é", "6"}, {"è", "7"}}},
		{"no Unicode normalisation or folding", `{"é":1,"e\u0301":2,"É":3,"K":4,"k":5,"\u212a":6}`, []member{
			{"é", "1"}, {"e\u0301", "2"}, {"É", "3"}, {"K", "4"}, {"k", "5"}, {"\u212a", "6"}}},
		{"a null character does not end a name", `{"a":1,"a\u0000":2,"a\u0000b":3}`, []member{{"a", "1"}, {"a\x00", "2"}, {"a\x00b", "3"}}},
		{"a surrogate half inside a value nobody reads", `{"a":"\ud800","b":{"\udc00":1}}`, []member{{"a", `"\ud800"`}, {"b", `{"\udc00":1}`}}},
		{"a duplicate inside a nested value is its reader's", `{"a":{"b":1,"b":2},"c":[{"d":1,"d":1}]}`, []member{{"a", `{"b":1,"b":2}`}, {"c", `[{"d":1,"d":1}]`}}},
		{"a name may return at another level", `{"a":{"a":{"a":1}}}`, []member{{"a", `{"a":{"a":1}}`}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			agree(t, c.text)
			got, err := collect(Object(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestObjectRefuses(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
	}{
		{"nothing", ``, "invalid JSON at byte 0: unexpected end"},
		{"whitespace", "\n ", "invalid JSON at byte 2: unexpected end"},
		{"null", `null`, "not a JSON object at byte 0"},
		{"an array", ` [{}]`, "not a JSON object at byte 1"},
		{"a string", `"{}"`, "not a JSON object at byte 0"},
		{"a number", `1`, "not a JSON object at byte 0"},
		{"markup", `<html>`, "not a JSON object at byte 0"},
		{"a byte order mark", "\uFEFF{}", "invalid JSON at byte 0: byte order mark"},
		{"an object that does not end", `{"a":1`, "invalid JSON at byte 6: unexpected end"},
		{"an object that hardly begins", `{`, "invalid JSON at byte 1: unexpected end"},
		{"an object closed by a bracket", `{"a":1]`, "invalid JSON at byte 6: unexpected character"},
		{"a second object", `{"a":1}{"b":2}`, "invalid JSON at byte 7: data after the value"},
		{"a second closing brace", `{}}`, "invalid JSON at byte 2: data after the value"},
		{"a null character behind", "{}\x00", "invalid JSON at byte 2: data after the value"},
		{"a comma before the first member", `{,"a":1}`, "invalid JSON at byte 1: unexpected character"},
		{"a comma behind the last member", `{"a":1,}`, "invalid JSON at byte 7: unexpected character"},
		{"a comma alone", `{,}`, "invalid JSON at byte 1: unexpected character"},
		{"no comma", `{"a":1"b":2}`, "invalid JSON at byte 6: unexpected character"},
		{"no colon", `{"a" 1}`, "invalid JSON at byte 5: unexpected character"},
		{"no value", `{"a":}`, "invalid JSON at byte 5: unexpected character"},
		{"no name", `{:1}`, "invalid JSON at byte 1: unexpected character"},
		{"an end behind a name", `{"a"`, "invalid JSON at byte 4: unexpected end"},
		{"an end behind a colon", `{"a":`, "invalid JSON at byte 5: unexpected end"},
		{"an end behind a comma", `{"a":1,`, "invalid JSON at byte 7: unexpected end"},
		{"invalid UTF-8 in a name", "{\"a\xff\":1}", "invalid JSON at byte 3: invalid UTF-8"},
		{"invalid UTF-8 in a value nobody reads", "{\"a\":[{\"b\":\"\xc3\x28\"}]}", "invalid JSON at byte 12: invalid UTF-8"},
		{"an invalid value deep inside", `{"a":[{"b":[01]}]}`, "invalid JSON at byte 13: unexpected character"},
		{"a control character in a name", "{\"a\tb\":1}", "invalid JSON at byte 3: control character in a string"},
		{"a high surrogate alone in a name", `{"x\ud83d":1}`, "invalid JSON at byte 3: lone surrogate"},
		{"a low surrogate alone in a name", `{"a":1,"\uDE00":1}`, "invalid JSON at byte 8: lone surrogate"},
		{"a high surrogate and a letter in a name", `{"\ud83d\u0061":1}`, "invalid JSON at byte 2: lone surrogate"},
		{"two high surrogates in a name", `{"\ud83d\ud83d\ude00":1}`, "invalid JSON at byte 2: lone surrogate"},
		{"a high surrogate and another escape in a name", `{"\ud83d\n":1}`, "invalid JSON at byte 2: lone surrogate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := Object(c.text)
			for m.Next() {
			}
			wantError(t, m.Err(), c.want)
			agree(t, c.text)
			if m.Next() {
				t.Error("Next went on behind an error")
			}
			wantError(t, m.Err(), c.want)
			if m.Name() != "" || m.Value().Kind() != Absent {
				t.Errorf("a member is left behind an error: %q %v", m.Name(), m.Value())
			}
		})
	}
}

func TestDuplicateMembersAreRefused(t *testing.T) {
	many := func(n int, last string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"member%d":0,`, i)
		}
		return "{" + b.String() + last + "}"
	}
	for _, c := range []struct {
		name, text string
		duplicate  bool
	}{
		{"side by side", `{"a":1,"a":1}`, true},
		{"apart", `{"kid":"a","alg":"x", "kid":"b"}`, true},
		{"with null", `{"exp":1,"exp":null}`, true},
		{"the empty name", `{"":1,"":2}`, true},
		{"the second written with an escape", `{"kid":1,"k\u0069d":2}`, true},
		{"the first written with an escape", `{"\u0061":1,"a":2}`, true},
		{"both written with escapes", `{"\u006B":1,"\u006b":2}`, true},
		{"a surrogate pair and the character", `{"\ud83d\ude00":1,"😀":2}`, true},
		{"the character and a surrogate pair", `{"😀":1,"\uD83D\uDE00":2}`, true},
		{"an escaped slash", `{"a/b":1,"a\/b":2}`, true},
		{"an escaped accent", `{"é":1,"\u00e9":2}`, true},
		{"two ways to write a line feed", `{"\n":1,"\u000a":2}`, true},
		{"two ways to write a backslash", `{"\\":1,"\u005C":2}`, true},
		{"two ways to write a quote", `{"\"":1,"\u0022":2}`, true},
		{"the null character", `{"\u0000":1,"\u0000":2}`, true},
		{"the last that the array holds", many(31, `"x":1,"x":2`), true},
		{"the first that the map holds", many(32, `"x":1,"x":2`), true},
		{"the first of 33", many(32, `"member0":1`), true},
		{"the last of 32 is the 33rd", many(32, `"member31":1`), true},
		{"the first of 1001", many(1000, `"member0":1`), true},
		{"in the map, with an escape", many(1000, `"m\u0065mber999":1`), true},
		{"31 and one more", many(31, `"x":1`), false},
		{"32 and one more", many(32, `"x":1`), false},
		{"33 and one more", many(33, `"x":1`), false},
		{"1000 and one more", many(1000, `"member1000":1`), false},
		{"an escape of an escape is another name", `{"a":1,"\\u0061":2}`, false},
		{"a prefix is another name", `{"ab":1,"a":2,"abc":3,"":4}`, false},
		{"names with all of hash alike", `{"axbxc":1,"aybyc":2,"azbxc":3,"axbxc":4}`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := ""
			if c.duplicate { // always the last member, and no value has a comma
				at := strings.LastIndexByte(c.text, ',') + 1
				at += strings.IndexByte(c.text[at:], '"')
				want = fmt.Sprintf("duplicate member at byte %d", at)
			}
			m := Object(c.text)
			for m.Next() {
			}
			wantError(t, m.Err(), want)
			agree(t, c.text)

			// The same object inside another: silent until it is iterated.
			outer := Object(`{"o":` + c.text + `}`)
			if !outer.Next() {
				t.Fatal(outer.Err())
			}
			m = outer.Value().Members()
			_, nested := collect(m)
			if (nested != nil) != c.duplicate {
				t.Errorf("nested: %v", nested)
			}
			if err := outer.Err(); err != nil {
				t.Errorf("outer: %v", err)
			}

			// Tolerance is a matter of asking.
			m = Object(c.text)
			m.AllowDuplicates()
			n := 0
			for m.Next() {
				n++
			}
			if err := m.Err(); err != nil {
				t.Errorf("allowed: %v", err)
			}
			if want := strings.Count(c.text, `":`); n != want {
				t.Errorf("allowed: %d members, want %d", n, want)
			}
		})
	}
}

func TestAllowDuplicatesAllowsNothingElse(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":1,"a":2}`:            "",
		`{"a":1,"a":2`:             "invalid JSON at byte 12: unexpected end",
		`{"a":1,"a":02}`:           "invalid JSON at byte 12: unexpected character",
		`{"a":1,"a":2} x`:          "invalid JSON at byte 14: data after the value",
		`{"a":1,"\ud800":2}`:       "invalid JSON at byte 8: lone surrogate",
		"{\"a\":1,\"a\":\"\xff\"}": "invalid JSON at byte 12: invalid UTF-8",
	} {
		m := Object(text)
		m.AllowDuplicates()
		wantError(t, m.Err(), want)
	}
}

// Err never vouches for what has not been read.
func TestErrReadsTheRest(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":1,"b":2}`:            "",
		`{"a":1,"b":2`:             "invalid JSON at byte 12: unexpected end",
		`{"a":1,"b":2,"a":3}`:      "duplicate member at byte 13",
		`{"a":1,"b":{"c":tru}}`:    "invalid JSON at byte 19: unexpected character",
		`{"a":1} {`:                "invalid JSON at byte 8: data after the value",
		"{\"a\":1,\"b\":\"\x01\"}": "invalid JSON at byte 12: control character in a string",
	} {
		m := Object(text)
		if !m.Next() || m.Name() != "a" {
			t.Errorf("%q: no first member", text)
		}
		wantError(t, m.Err(), want)
		if m.Next() {
			t.Errorf("%q: members behind Err", text)
		}
	}
}

func TestMembersOfOtherValues(t *testing.T) {
	for _, c := range []struct {
		name string
		v    Value
		want string
	}{
		{"the zero Value", Value{}, "not a JSON object at byte 0"},
		{"null", valueOf(t, `null`), "not a JSON object at byte 5"},
		{"an array", valueOf(t, `[{}]`), "not a JSON object at byte 5"},
		{"a string", valueOf(t, `"{}"`), "not a JSON object at byte 5"},
		{"an empty object", valueOf(t, `{}`), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := c.v.Members()
			if m.Next() {
				t.Error("it has a member")
			}
			wantError(t, m.Err(), c.want)
		})
	}
	var zero Members
	wantError(t, zero.Err(), "invalid JSON at byte 0: unexpected end")
}

// Offsets count from the outermost text, however deep the reader is.
func TestErrorsInsideNestedValuesNameTheirPlace(t *testing.T) {
	const text = ` {"keys": [ {"kid":"a"}, {"kid": {"x":1,"x":2}, "b":"\ud800"} ]}`
	m := Object(text)
	m.Next()
	e := m.Value().Elements()
	e.Next()
	e.Next()
	entry := e.Value().Members()
	entry.Next()
	inner := entry.Value().Members()
	wantError(t, inner.Err(), fmt.Sprintf("duplicate member at byte %d", strings.LastIndex(text, `"x"`)))
	array := entry.Value().Elements()
	wantError(t, array.Err(), fmt.Sprintf("not a JSON array at byte %d", strings.Index(text, `{"x"`)))
	entry.Next()
	_, err := entry.Value().Text()
	wantError(t, err, fmt.Sprintf("invalid JSON at byte %d: lone surrogate", strings.Index(text, `\ud800`)))
	inner = entry.Value().Members()
	wantError(t, inner.Err(), fmt.Sprintf("not a JSON object at byte %d", strings.Index(text, `"\ud800`)))
}

func TestOrdinaryObjectsAreReadWithoutAllocation(t *testing.T) {
	var full strings.Builder
	for i := range inline {
		fmt.Fprintf(&full, `,"member%d":[%d,{"a":"b"}]`, i, i)
	}
	for _, c := range []struct{ name, text string }{
		{"header", `{"alg":"RS256","kid":"k1","typ":"JWT"}`},
		{"payload", payload},
		{"32 members", "{" + full.String()[1:] + "}"},
		{"escapes in values nobody reads", `{"a":"\n\u00e9","b":["\\"]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := testing.AllocsPerRun(100, func() {
				if err := Valid(c.text); err != nil {
					t.Error(err)
				}
				m := Object(c.text)
				for m.Next() {
					switch v := m.Value(); v.Kind() {
					case String:
						if strings.Contains(v.Raw(), `\`) {
							continue
						}
						if text, err := v.Text(); err != nil || text == "" {
							t.Error(text, err)
						}
					case ObjectKind:
						inner := v.Members()
						for inner.Next() {
							_, _ = inner.Name(), inner.Value()
						}
						if err := inner.Err(); err != nil {
							t.Error(err)
						}
					case Array:
						e := v.Elements()
						for e.Next() {
							_ = e.Value().Raw()
						}
						if err := e.Err(); err != nil {
							t.Error(err)
						}
					}
				}
				if err := m.Err(); err != nil {
					t.Error(err)
				}
			})
			if n != 0 {
				t.Errorf("%v allocations, want none", n)
			}
		})
	}
}

func TestMoreMembersCostASmallMultipleOfTheText(t *testing.T) {
	tiny := func(size int, format string) string {
		var b strings.Builder
		for i := 0; b.Len() < size; i++ {
			fmt.Fprintf(&b, format, strconv.FormatInt(int64(i), 36))
		}
		return "{" + b.String()[1:] + "}"
	}
	for _, c := range []struct{ name, text string }{
		{"16 KiB of members", tiny(16<<10, `,"%s":0`)},
		{"1 MiB of members", tiny(1<<20, `,"%s":0`)},
		{"1 MiB of members with an escape", tiny(1<<20, `,"%s\n":0`)},
		{"1 MiB of escapes only", tiny(1<<20, `,"%s\u0061\u0061":0`)},
		{"33 members and a large value that looks like members", strings.TrimSuffix(tiny(500, `,"%s":0`), "}") + `,"many":[{` + strings.Repeat(`"":0,`, 1<<17) + `"":0}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			m := Object(c.text)
			n := 0
			for m.Next() {
				n++
			}
			err := m.Err()
			runtime.ReadMemStats(&after)
			if err != nil || n <= inline {
				t.Fatalf("%d members, %v", n, err)
			}
			if got, most := after.TotalAlloc-before.TotalAlloc, uint64(10*len(c.text)); got > most {
				t.Errorf("%d bytes for a text of %d", got, len(c.text))
			} else {
				t.Logf("%d members, %.1f bytes a byte", n, float64(got)/float64(len(c.text)))
			}
		})
	}
}

// With a comparison of each name with each this would take minutes.
func TestManyMembersTakeLinearTime(t *testing.T) {
	const n = 500_000
	var b strings.Builder
	b.WriteString("{")
	for i := range n {
		// The same length, first, middle and last byte: one mark for all.
		s := fmt.Sprintf("%06d", i)
		b.WriteString(`"x` + s[:3] + `-` + s[3:] + `x":0,`)
	}
	m := Object(b.String() + `"x000-000x":1}`)
	got := 0
	for m.Next() {
		got++
	}
	if got != n {
		t.Errorf("%d members before the duplicate, want %d", got, n)
	}
	wantError(t, m.Err(), fmt.Sprintf("duplicate member at byte %d", b.Len()))
}
