package strictjson

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// message is the form of every error. Having only letters from our own list
// it cannot quote the text.
var message = regexp.MustCompile(`^(duplicate member at byte \d+|not a JSON (object|array|string) at byte \d+|` +
	`invalid JSON at byte \d+: (unexpected end|unexpected character|control character in a string|invalid escape|` +
	`invalid UTF-8|lone surrogate|nested deeper than 64 levels|data after the value|byte order mark))$`)

// wantError makes sure that err is an *Error with this message, or none for "".
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	if err == nil {
		t.Errorf("accepted, want %q", want)
		return
	}
	if err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	var e *Error
	if !errors.As(err, &e) || !message.MatchString(err.Error()) {
		t.Errorf("error %T %q is not in the form agreed", err, err)
	}
}

func TestValidFollowsRFC8259(t *testing.T) {
	const (
		end       = "unexpected end"
		character = "unexpected character"
		control   = "control character in a string"
		escape    = "invalid escape"
		utf       = "invalid UTF-8"
		trailing  = "data after the value"
		bom       = "byte order mark"
	)
	at := func(offset, problem string) string { return "invalid JSON at byte " + offset + ": " + problem }
	for _, rule := range []struct {
		name  string
		texts map[string]string // text to error, "" for accepted
	}{
		{"any value stands alone (section 2)", map[string]string{
			`{}`: "", `[]`: "", `"a"`: "", `0`: "", `true`: "", `false`: "", `null`: "",
			``: at("0", end), ` `: at("1", end), "\n\t\r ": at("4", end),
		}},
		{"whitespace is space, tab, line feed and carriage return (section 2)", map[string]string{
			" \t\r\n{ \t\r\n\"a\" \t\r\n: \t\r\n1 \t\r\n, \t\r\n\"b\" \t\r\n: \t\r\n[ \t\r\n1 \t\r\n, \t\r\n2 \t\r\n] \t\r\n} \t\r\n": "",
			"\v1": at("0", character), "\f1": at("0", character), "\x001": at("0", character),
			"\u00a01": at("0", character), "1\u00a0": at("1", trailing), "1\x00": at("1", trailing),
			"{\f}": at("1", character), "[1\v]": at("2", character), "\u20281": at("0", character),
			"{\"a\"\x00:1}": at("4", character), "[\u00a0]": at("1", character),
		}},
		{"nothing follows the value", map[string]string{
			`{}{}`: at("2", trailing), `{} 1`: at("3", trailing), `1 2`: at("2", trailing), `null,`: at("4", trailing),
			`[]]`: at("2", trailing), `{}}`: at("2", trailing), `{}#`: at("2", trailing), `{}/**/`: at("2", trailing),
			`"a""b"`: at("3", trailing), `nullnull`: at("4", trailing), `truex`: at("4", trailing), `[1]x`: at("3", trailing),
			"{}\xEF\xBB\xBF": at("2", trailing), `nullx`: at("4", trailing),
		}},
		{"literals are lower case and whole (section 3)", map[string]string{
			`[true,false,null]`: "", `True`: at("0", character), `TRUE`: at("0", character), `nul`: at("3", end),
			`nulL`: at("3", character), `tru`: at("3", end), `t`: at("1", end), `fals`: at("4", end), `falsy`: at("4", character),
			`[nul]`: at("4", character), `NaN`: at("0", character), `Infinity`: at("0", character), `undefined`: at("0", character),
			`{"a":tru}`: at("8", character), `trUe`: at("2", character), `[n`: at("2", end), `nil`: at("1", character),
		}},
		{"objects have quoted names, colons and commas (section 4)", map[string]string{
			`{"a":1}`: "", `{"":0}`: "", `{"a":1,"b":{"c":[]},"d":[{}]}`: "", `{"a":{}}`: "",
			`{`: at("1", end), `}`: at("0", character), `{"a"`: at("4", end), `{"a":`: at("5", end), `{"a":1`: at("6", end),
			`{"a":1,`: at("7", end), `{"a":1,}`: at("7", character), `{,}`: at("1", character), `{,"a":1}`: at("1", character),
			`{"a"}`: at("4", character), `{"a",1}`: at("4", character), `{"a":}`: at("5", character), `{"a"::1}`: at("5", character),
			`{"a":1 "b":2}`: at("7", character), `{"a":1,,"b":2}`: at("7", character), `{a:1}`: at("1", character),
			`{'a':1}`: at("1", character), `{1:1}`: at("1", character), `{null:1}`: at("1", character), `{"a":1]`: at("6", character),
			`{"a":1;"b":2}`: at("6", character), `{"a"=1}`: at("4", character), `{["a"]:1}`: at("1", character), `{{}:1}`: at("1", character),
			`{"a":1/**/}`: at("6", character), `{"a":1 2}`: at("7", character), `{ `: at("2", end), `{"a" `: at("5", end),
			`{"a": `: at("6", end), `{"a":1 `: at("7", end), `{"a":1, `: at("8", end), `{"a":{"b":1}`: at("12", end),
			`{"a":1` + "\n": at("7", end), `{"a":[}`: at("6", character), `{"a":[]]`: at("7", character),
		}},
		{"arrays have commas between their values (section 5)", map[string]string{
			`[1]`: "", `[1,2]`: "", `[[],[[]]]`: "", `["a",{},null]`: "", `[ ]`: "",
			`[`: at("1", end), `]`: at("0", character), `[1`: at("2", end), `[1,`: at("3", end), `[,`: at("1", character),
			`[1,]`: at("3", character), `[,1]`: at("1", character), `[1,,2]`: at("3", character), `[1 2]`: at("3", character),
			`[1}`: at("2", character), `[1:2]`: at("2", character), `["a":1]`: at("4", character), `[[]`: at("3", end),
			`[a]`: at("1", character), `[*]`: at("1", character), `[1;2]`: at("2", character), `[ `: at("2", end), `[{}`: at("3", end),
		}},
		{"numbers (section 6)", map[string]string{
			`0`: "", `-0`: "", `7`: "", `10`: "", `-12`: "", `0.0`: "", `1.25`: "", `-0.5`: "", `1e1`: "", `1E1`: "", `1e+1`: "",
			`1e-1`: "", `1.5e10`: "", `0e0`: "", `0e007`: "", `1e400`: "", `-1E-400`: "", `1234567890123456789012345678901234567890`: "",
			`[0,-0,1.0]`: "", `0.000`: "",
			`-`: at("1", end), `+1`: at("0", character), `.5`: at("0", character), `1.`: at("2", end), `1.e1`: at("2", character),
			`-.5`: at("1", character), `01`: at("1", trailing), `-01`: at("2", trailing), `00`: at("1", trailing), `[01]`: at("2", character),
			`1e`: at("2", end), `1e+`: at("3", end), `1E-`: at("3", end), `1ee1`: at("2", character), `1e1.5`: at("3", trailing),
			`0x1`: at("1", trailing), `1_000`: at("1", trailing), `1,000`: at("1", trailing), `--1`: at("1", character),
			`-Infinity`: at("1", character), `-NaN`: at("1", character), `1a`: at("1", trailing), `[1.]`: at("3", character),
			`[-]`: at("2", character), `[1e]`: at("3", character), `1.2.3`: at("3", trailing), `１`: at("0", character),
			`[1e+]`: at("4", character), `0.`: at("2", end), `1+2`: at("1", trailing), `[1-2]`: at("2", character), `-a`: at("1", character),
		}},
		{"strings hold no control characters (section 7)", map[string]string{
			`""`: "", `"a b"`: "", "\"\x7f\"": "", `"'"`: "", `"/"`: "", "\"\u2028\u2029\u0085\"": "",
			"\"\n\"": at("1", control), "\"a\tb\"": at("2", control), "\"\x00\"": at("1", control), "\"\x1f\"": at("1", control),
			"\"aaaaaaaaaaaaaaaaaaaa\x1f\"": at("21", control), "{\"a\nb\":1}": at("3", control), "\"\r\"": at("1", control),
			`"`: at("1", end), `"a`: at("2", end), `"aaaaaaaaaaaaaaaaaaaaaa`: at("23", end), `'a'`: at("0", character),
			`{"a`: at("3", end), `["a]`: at("4", end),
		}},
		{"escapes (section 7)", map[string]string{
			`"\"\\\/\b\f\n\r\t"`: "", `"\u0000"`: "", `"\u001f\u007F\uabcd\uABCD\uFfFf"`: "", `"\\u12"`: "",
			`"\`: at("2", end), `"\"`: at("3", end), `"\a"`: at("2", escape), `"\x41"`: at("2", escape), `"\'"`: at("2", escape),
			`"\0"`: at("2", escape), `"\U0041"`: at("2", escape), `"\u"`: at("3", escape), `"\u12"`: at("5", escape),
			`"\u12g4"`: at("5", escape), `"\u 123"`: at("3", escape), `"\u+123"`: at("3", escape), `"\u123`: at("6", end),
			`"\u`: at("3", end), "\"\\\n\"": at("2", escape), `"\é"`: at("2", escape), `"\u{41}"`: at("3", escape), `"\v"`: at("2", escape),
			`"\u00e"`: at("6", escape), `\u0031`: at("0", character), `{"\u00":1}`: at("6", escape), `"\B"`: at("2", escape),
		}},
		{"surrogates are not looked at before they are read", map[string]string{
			`"\ud83d\ude00"`: "", `"\ud83d"`: "", `"\ude00\ud83d"`: "", `{"\udc00":"\ud800"}`: "",
		}},
		{"text is UTF-8 (section 8.1)", map[string]string{
			`"é"`: "", `"日本"`: "", `"😀"`: "", "\"\U0010FFFF\"": "", `{"é":"é"}`: "", "\"\uFEFF\"": "", "\"\uFFFD\"": "",
			"\"\xff\"": at("1", utf), "\"a\x80\"": at("2", utf), "\"\xc3\"": at("1", utf), "\"é\xc3\"": at("3", utf),
			"\"\xc0\xaf\"": at("1", utf), "\"\xe0\x80\xaf\"": at("1", utf), "\"\xed\xa0\x80\"": at("1", utf), // overlong, overlong, surrogate
			"\"\xf4\x90\x80\x80\"": at("1", utf), "\"\xf0\x9f\x98\"": at("1", utf), "\"aaaaaaaaaaaa\xe9bbbbbbbbbbbb\"": at("13", utf),
			"{\"\xff\":1}": at("2", utf), "[{\"a\":[\"\xff\"]}]": at("8", utf), "\xff": at("0", character), "[\xff]": at("1", character),
			"[\"a\"\xff]": at("4", character), "1\xff": at("1", trailing), "\"\\\xff\"": at("2", escape), "\"\\n\xff\"": at("3", utf),
			"\"\xff\\n\"":        at("1", utf),
			"\xff\xfe[\x00]\x00": at("0", character), "\x00[\x00]": at("0", character), // UTF-16
		}},
		{"no byte order mark (section 8.1)", map[string]string{
			"\xEF\xBB\xBF{}": at("0", bom), "\xEF\xBB\xBF": at("0", bom), "\xEF\xBB\xBF 1": at("0", bom),
			" \xEF\xBB\xBF{}": at("1", character), "\xEF\xBB{}": at("0", character),
		}},
	} {
		t.Run(rule.name, func(t *testing.T) {
			for text, want := range rule.texts {
				t.Run("", func(t *testing.T) {
					t.Logf("%q", text)
					wantError(t, Valid(text), want)
					if peer := json.Valid([]byte(text)) && utf8.ValidString(text); peer != (want == "") {
						t.Errorf("the table accepts: %t, encoding/json: %t", want == "", peer)
					}
					// What holds for a text holds for the value of a member.
					if want != at("0", bom) && want != "" {
						if m := Object(`{"m":[` + text); m.Err() == nil {
							t.Error("accepted inside an object that never ends")
						}
					}
					m := Object(`{"m":` + text + `}`)
					if err := m.Err(); (err == nil) != (want == "") {
						t.Errorf("as a member: %v", err)
					}
				})
			}
		})
	}
}

func TestDepthIsAtMost64(t *testing.T) {
	nest := func(open, inner, closing string, depth int) string {
		return strings.Repeat(open, depth) + inner + strings.Repeat(closing, depth)
	}
	for _, c := range []struct {
		name, text, want string
	}{
		{"64 arrays", nest("[", "", "]", 64), ""},
		{"64 arrays with a scalar inside", nest("[", "1", "]", 64), ""},
		{"65 arrays", nest("[", "", "]", 65), "invalid JSON at byte 64: nested deeper than 64 levels"},
		{"64 objects", nest(`{"a":`, "1", "}", 64), ""},
		{"64 objects, the last empty", nest(`{"a":`, "{}", "}", 63), ""},
		{"65 objects", nest(`{"a":`, "1", "}", 65), "invalid JSON at byte 320: nested deeper than 64 levels"},
		{"65 objects, the last empty", nest(`{"a":`, "{}", "}", 64), "invalid JSON at byte 320: nested deeper than 64 levels"},
		{"64 mixed", nest(`{"a":[`, "1", "]}", 32), ""},
		{"65 mixed", nest(`{"a":[`, "[]", "]}", 32), "invalid JSON at byte 192: nested deeper than 64 levels"},
		{"siblings are not depth", `{"a":[` + strings.Repeat("[],", 200) + "{}]}", ""},
		{"64 deep twice", `[` + nest("[", "", "]", 63) + `,` + nest("[", "", "]", 63) + `]`, ""},
		{"65 deep the second time", `[` + nest("[", "", "]", 63) + `,` + nest("[", "", "]", 64) + `]`, "invalid JSON at byte 191: nested deeper than 64 levels"},
		{"brackets in strings are not depth", `{"a":"` + strings.Repeat("[", 100) + `"}`, ""},
		{"a million brackets", strings.Repeat("[", 1_000_000), "invalid JSON at byte 64: nested deeper than 64 levels"},
		{"a million objects", strings.Repeat(`{"":`, 1_000_000), "invalid JSON at byte 256: nested deeper than 64 levels"},
		{"closing the wrong kind, deep down", nest("[", "", "]", 40) + "}", "invalid JSON at byte 80: data after the value"},
		{"mixed up at the deepest level", nest(`{"a":[`, "", "]}", 31) + "]", "invalid JSON at byte 248: data after the value"},
		{"crossed brackets", `[{"a":[{]}]}`, "invalid JSON at byte 8: unexpected character"},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantError(t, Valid(c.text), c.want)
			if strings.HasPrefix(c.text, "{") {
				m := Object(c.text)
				wantError(t, m.Err(), c.want)
			}
		})
	}
}

// The reader of a nested value gets at the deepest level too.
func TestDeepestValueCanBeRead(t *testing.T) {
	text := strings.Repeat(`{"a":`, 63) + `["here"]` + strings.Repeat("}", 63)
	m := Object(text)
	var v Value
	for range 63 {
		if !m.Next() {
			t.Fatal(m.Err())
		}
		v = m.Value()
		m = v.Members()
	}
	e := v.Elements()
	if !e.Next() {
		t.Fatal(e.Err())
	}
	if got, err := e.Value().Text(); got != "here" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// The scanner reads eight bytes at a time; no byte may be lost at the seams.
func TestEveryByteAtEveryPlaceInAString(t *testing.T) {
	for length := range 26 {
		for place := range length {
			text := []byte(`"` + strings.Repeat("x", length) + `"`)
			for b := range 256 {
				text[1+place] = byte(b)
				for _, s := range []string{string(text), string(text) + `         `} {
					want := json.Valid([]byte(s)) && utf8.ValidString(s)
					if got := Valid(s) == nil; got != want {
						t.Fatalf("%q: accepted %t, want %t", s, got, want)
					}
				}
			}
		}
	}
}

// Two bytes side by side: a borrow from the lower must not mark the upper in
// its place, nor hide it.
func TestEveryPairOfBytesInAString(t *testing.T) {
	text := []byte(`"abc??def"          `)
	for a := range 256 {
		for b := range 256 {
			text[4], text[5] = byte(a), byte(b)
			want := json.Valid(text) && utf8.Valid(text)
			if got := Valid(string(text)) == nil; got != want {
				t.Fatalf("%q: accepted %t, want %t", text, got, want)
			}
		}
	}
}

// Every text one byte away from a good one, and every beginning of it, is
// judged as encoding/json judges it.
func TestEveryNeighbourOfAGoodText(t *testing.T) {
	const good = ` { "a" : [ -0.5e+7 , true, "\u00e9\n\\" ], "é" : {"\ud83d\ude00":null,"b":{}} , "":false}` + "\n"
	check := func(s string) {
		t.Helper()
		agree(t, s)
	}
	check(good)
	for i := range len(good) {
		check(good[:i])
		check(good[i:])
		check(good[:i] + good[i+1:])
		for b := range 256 {
			check(good[:i] + string([]byte{byte(b)}) + good[i+1:])
		}
		for _, c := range "{}[],:\"\\ 0-e" {
			check(good[:i] + string(c) + good[i:])
		}
	}
}
