package strictjson

import "testing"

func TestTrimBOM_OnceAndOnlyInFront(t *testing.T) {
	const bom = "\ufeff"
	for _, test := range []struct {
		name, document string
		fine           bool
	}{
		{"none", `{"a":1}`, true},
		{"one", bom + `{"a":1}`, true},
		{"one before whitespace", bom + " \r\n{\"a\":1}\n", true},
		{"two", bom + bom + `{"a":1}`, false},
		{"behind whitespace", " " + bom + `{"a":1}`, false},
		{"behind the value", `{"a":1}` + bom, false},
		{"half of one", "\xef\xbb{\"a\":1}", false},
		{"of UTF-16", "\xff\xfe{\x00}\x00", false},
		{"one alone", bom, false},
		{"nothing", "", false},
	} {
		m := Object(string(TrimBOM([]byte(test.document))))
		if err := m.Err(); (err == nil) != test.fine {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	m := Object(bom + `{"a":1}`)
	if err := m.Err(); err == nil {
		t.Error("a token's header or payload may have a byte order mark")
	}
}
