package strictjson

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	jose "github.com/go-jose/go-jose/v4/json"
)

// agree holds our reading of s against encoding/json and go-jose, whose reader
// refuses duplicates: what we accept they accept and read alike, and what we
// refuse they refuse too, or it breaks one of the rules that they do not have.
func agree(t testing.TB, s string) {
	t.Helper()
	data := []byte(s)
	wellFormed := json.Valid(data) && utf8.ValidString(s) && depth(s) <= MaxDepth
	err := Valid(s)
	if (err == nil) != wellFormed {
		t.Fatalf("%q: Valid says %v, the oracle %t", s, err, wellFormed)
	}
	checkError(t, s, err)

	var standard map[string]json.RawMessage
	var strict map[string]jose.RawMessage
	standardErr, strictErr := json.Unmarshal(data, &standard), jose.Unmarshal(data, &strict)

	seen := make(map[string]Value)
	m := Object(s)
	for m.Next() {
		if _, ok := seen[m.Name()]; ok {
			t.Fatalf("%q: duplicate yielded", s)
		}
		seen[strings.Clone(m.Name())] = m.Value()
	}
	err = m.Err()
	checkError(t, s, err)
	if err != nil {
		halves := strings.Contains(strings.ToLower(s), `\ud`) // perhaps a lone surrogate in a name
		object := strings.HasPrefix(strings.TrimLeft(s, " \t\r\n"), "{")
		if wellFormed && object && standardErr == nil && strictErr == nil && !halves {
			t.Fatalf("%q: refused (%v), and no oracle knows why", s, err)
		}
		return
	}
	if !wellFormed || standardErr != nil || strictErr != nil {
		t.Fatalf("%q: accepted, but well-formed: %t; encoding/json: %v; go-jose: %v", s, wellFormed, standardErr, strictErr)
	}
	if len(seen) != len(standard) || len(seen) != len(strict) {
		t.Fatalf("%q: %d members; encoding/json: %d; go-jose: %d", s, len(seen), len(standard), len(strict))
	}
	for name, v := range seen {
		if string(standard[name]) != v.Raw() || string(strict[name]) != v.Raw() {
			t.Fatalf("%q: member %q is %q; encoding/json: %q; go-jose: %q", s, name, v.Raw(), standard[name], strict[name])
		}
		agreeValue(t, v)
	}
}

// agreeValue holds the reading of a value against the oracles, all the way down.
func agreeValue(t testing.TB, v Value) {
	t.Helper()
	raw := []byte(v.Raw())
	var decoded any
	if err := json.Unmarshal(raw, &decoded); err != nil {
		if _, number := err.(*json.UnmarshalTypeError); !number || v.Kind() == String {
			t.Fatalf("%q: %v", raw, err) // only 1e999 is valid and does not fit
		}
	}
	want := Number
	switch decoded.(type) {
	case nil:
		if string(raw) == "null" {
			want = Null
		}
	case bool:
		want = Bool
	case string:
		want = String
	}
	switch raw[0] {
	case '[':
		want = Array
	case '{':
		want = ObjectKind
	}
	if v.Kind() != want {
		t.Fatalf("%q: kind %d, want %d", raw, v.Kind(), want)
	}

	text, err := v.Text()
	checkError(t, v.Raw(), err)
	if want == String {
		agreeText(t, v.Raw(), text, err)
	} else if err == nil {
		t.Fatalf("%q: read as the string %q", raw, text)
	}

	e := v.Elements()
	var elements []json.RawMessage
	for e.Next() {
		elements = append(elements, json.RawMessage(e.Value().Raw()))
		agreeValue(t, e.Value())
	}
	if err := e.Err(); (err == nil) != (want == Array) {
		t.Fatalf("%q: elements: %v", raw, err)
	}
	if want == Array {
		var peers []json.RawMessage
		if err := json.Unmarshal(raw, &peers); err != nil || len(peers) != len(elements) {
			t.Fatalf("%q: %d elements; encoding/json: %d, %v", raw, len(elements), len(peers), err)
		}
		for i, p := range peers {
			if string(p) != string(elements[i]) {
				t.Fatalf("%q: element %d is %q; encoding/json: %q", raw, i, elements[i], p)
			}
		}
	}

	m := v.Members()
	for m.Next() {
		agreeValue(t, m.Value())
	}
	err = m.Err()
	checkError(t, v.Raw(), err)
	if want != ObjectKind && err == nil {
		t.Fatalf("%q: read as an object", raw)
	}
	if want == ObjectKind && err == nil {
		var peers map[string]jose.RawMessage
		if err := jose.Unmarshal(raw, &peers); err != nil {
			t.Fatalf("%q: accepted; go-jose: %v", raw, err)
		}
	}
}

// agreeText holds a decoded string against the oracles. They replace a lone
// surrogate by U+FFFD where we refuse.
func agreeText(t testing.TB, raw, text string, err error) {
	t.Helper()
	var standard, strict string
	if err := json.Unmarshal([]byte(raw), &standard); err != nil {
		t.Fatalf("%q: encoding/json: %v", raw, err)
	}
	if err := jose.Unmarshal([]byte(raw), &strict); err != nil {
		t.Fatalf("%q: go-jose: %v", raw, err)
	}
	if err != nil {
		if !strings.Contains(standard, "\uFFFD") {
			t.Fatalf("%q: refused (%v), encoding/json reads %q", raw, err, standard)
		}
		return
	}
	if text != standard || text != strict || !utf8.ValidString(text) {
		t.Fatalf("%q: read as %q; encoding/json: %q; go-jose: %q", raw, text, standard, strict)
	}
	// Nothing was replaced: as many U+FFFD as were written.
	written := strings.Count(raw, "\uFFFD") + strings.Count(strings.ReplaceAll(strings.ToLower(raw), `\\`, ""), `\ufffd`)
	if got := strings.Count(text, "\uFFFD"); got != written {
		t.Fatalf("%q: %d replacement characters, %d written", raw, got, written)
	}
}

// checkError makes sure that an error has the form agreed and a place in s.
func checkError(t testing.TB, s string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if _, ok := err.(*Error); !ok || !message.MatchString(err.Error()) {
		t.Fatalf("%q: error %T %q", s, err, err)
	}
}

// depth is how deep the brackets of a well-formed text are nested.
func depth(s string) int {
	most, now, quoted := 0, 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			now++
			most = max(most, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return most
}

func FuzzObject(f *testing.F) {
	for _, s := range []string{
		``, `{}`, ` {"a":1} `, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"😀":1,"\ud83d\ude00":2}`, `{"a/b":1,"a\/b":2}`,
		`{"\ud800":1}`, `{"a":"\ud800"}`, `{"a":{"b":1,"b":2}}`, `{"a":[{"b":"\ud83d\ude00"},1.5e-7,true,false,null]}`,
		`{"n":-0,"e":1E+400,"x":01}`, "\xEF\xBB\xBF{}", "{\"\xff\":1}", "{\"a\":\"\xe9\"}", `{"a":1}{"b":2}`, `{"a":1,}`, `[]`, `null`,
		strings.Repeat(`{"a":`, 64) + `1` + strings.Repeat(`}`, 64), strings.Repeat(`{"a":[`, 32) + `[]` + strings.Repeat(`]}`, 32),
		`{"alg":"RS256","typ":"JWT","kid":"k\u0031"}`, payload, hostileHeader[:400] + `0}`,
		`{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB","use":"sig"},{"kty":"EC","x5c":["a","b"]},null]}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { agree(t, s) })
}

// FuzzText fuzzes the inside of a string, where FuzzObject seldom gets.
func FuzzText(f *testing.F) {
	for _, s := range []string{
		``, `a`, `é`, `\n`, `\u0041`, `\u00E9\u0000`, `\ud83d\ude00`, `\ud83d`, `\ude00\ud83d`, `\ud83d\u0041`, `\ud83dx`, `\\ud800`,
		`\"\\\/\b\f\n\r\t`, `\x`, `\u12`, "\x00", "\xff", "a\tb", "\xed\xa0\x80", `aaaaaaaaaaaaaaaaaaaaaaa\"aaaaaaaaé`, "\uFFFD", `\ufffd`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		// As a value and as a name.
		agree(t, `{"v":"`+s+`"}`)
		agree(t, `{"`+s+`":["`+s+`"]}`)
		// A name and its literal spelling are one name.
		var plain string
		if json.Unmarshal([]byte(`"`+s+`"`), &plain) != nil || !utf8.ValidString(s) || strings.Contains(plain, "\uFFFD") {
			return
		}
		again, err := json.Marshal(plain)
		if err != nil {
			t.Fatal(err)
		}
		m := Object(`{"` + s + `":1,` + string(again) + `:2}`)
		if err := m.Err(); err == nil || !strings.HasPrefix(err.Error(), "duplicate member") {
			t.Fatalf("%q and %s: %v", s, again, err)
		}
	})
}
