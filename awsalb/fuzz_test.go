package awsalb

import (
	"encoding/base64"
	"strings"
	"testing"
)

// FuzzOpen: a text is opened only if it is the one text of its three segments,
// and nothing opened lacks what Verify goes by.
func FuzzOpen(f *testing.F) {
	segment := base64.URLEncoding.EncodeToString
	header := segment([]byte(`{"alg":"ES256","kid":"12345678-1234-1234-1234-123456789012","signer":"arn","exp":1732700000}`))
	f.Add(header + "." + segment([]byte(`{"sub":"a"}`)) + "." + segment(make([]byte, 64)))
	f.Add(header + ".e30=.AA==")
	f.Add(header + ".e30.AB==")
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, data string) {
		opened, err := open(data)
		if err != nil {
			if opened != nil || strings.ContainsAny(err.Error(), "\r\n") {
				t.Fatalf("%v came with %v", opened, err)
			}
			return
		}
		parts := strings.Split(data, ".")
		if len(parts) != 3 || parts[1] != segment(opened.payload) || parts[2] != segment(opened.signature) || opened.signed != parts[0]+"."+parts[1] {
			t.Fatalf("%q was opened as %+v", data, opened)
		}
		if h, err := base64.URLEncoding.Strict().DecodeString(parts[0]); err != nil || segment(h) != parts[0] || opened.expires.IsZero() {
			t.Fatalf("%q was opened", data)
		}
	})
}

// FuzzKeyID: what passes for a key ID cannot leave its place in a URL.
func FuzzKeyID(f *testing.F) {
	f.Add("12345678-1234-1234-1234-123456789012")
	f.Add("12345678-1234-1234-1234-12345678901/")
	f.Fuzz(func(t *testing.T, id string) {
		if checkKeyID(id) != nil {
			return
		}
		if len(id) != 36 || strings.Trim(strings.ToLower(id), "0123456789abcdef-") != "" || strings.Count(id, "-") != 4 {
			t.Fatalf("%q passed", id)
		}
	})
}
