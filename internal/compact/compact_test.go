package compact

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/jws"
)

func segment(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func TestOpen(t *testing.T) {
	const header = `{"alg":"Ed25519","kid":"k1","typ":"JWT","x5t":"a","x5t#S256":"b","jku":"https://evil.example"}`
	token := segment(header) + "." + segment(`{"iss":"a"}`) + "." + segment("signature")
	opened, err := Open(token, len(token))
	if err != nil {
		t.Fatal(err)
	}
	if opened.Header != (Header{"Ed25519", "k1", "JWT", "a", "b"}) || opened.Algorithm != jws.EdDSA {
		t.Errorf("header %+v", opened.Header)
	}
	if opened.Raw != token || opened.Signed+"."+segment("signature") != token || string(opened.Signature) != "signature" || opened.Payload() != `{"iss":"a"}` {
		t.Errorf("%+v", opened)
	}
}

func TestOpen_Refuses(t *testing.T) {
	good := segment(`{"alg":"ES256"}`)
	for _, test := range []struct {
		name, token string
		want        error
		text        string
	}{
		{"nothing", "", jwt.ErrTokenMalformed, "it is empty"},
		{"one segment", "opaque", jwt.ErrTokenMalformed, "1 segment, want 3"},
		{"an empty segment", good + "..AA", jwt.ErrTokenMalformed, "an empty segment"},
		{"an encrypted token", "a.b.c.d.e", jwt.ErrTokenMalformed, "(JWE)"},
		{"a payload with padding", good + ".e30=.AA", jwt.ErrTokenMalformed, "the payload is not base64url"},
		{"a signature with stray bits", good + ".e30.AB", jwt.ErrTokenMalformed, "the signature is not base64url"},
		{"a header with a line break", good + "\n.e30.AA", jwt.ErrTokenMalformed, "the header is not base64url"},
		{"a header that is not an object", segment(`[]`) + ".e30.AA", jwt.ErrTokenMalformed, "header: "},
		{"a kid that is not a string", segment(`{"alg":"ES256","kid":1}`) + ".e30.AA", jwt.ErrTokenMalformed, "kid is not a string"},
		{"no alg", segment(`{}`) + ".e30.AA", jwt.ErrTokenMalformed, "alg is missing"},
		{"a null alg", segment(`{"alg":null}`) + ".e30.AA", jwt.ErrTokenMalformed, "alg is missing"},
		{"an empty alg", segment(`{"alg":""}`) + ".e30.AA", fault.ErrAlgorithmNotAllowed, "alg is empty"},
		{"crit", segment(`{"alg":"ES256","crit":[]}`) + ".e30.AA", fault.ErrUnsupportedCritical, `"crit"`},
		{"b64", segment(`{"alg":"ES256","b64":true}`) + ".e30.AA", fault.ErrUnsupportedCritical, `"b64"`},
		{"one byte too many", strings.Repeat("a", 201), fault.ErrTokenTooLarge, "201 bytes, want at most 200"},
	} {
		_, err := Open(test.token, 200)
		if !errors.Is(err, test.want) || !errors.Is(err, fault.ErrTokenInvalid) || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestOpen_GrowsTheBuffer(t *testing.T) {
	token := segment(`{"alg":"ES256"}`) + "." + segment(strings.Repeat("p", 100)) + "." + segment(strings.Repeat("s", 64))
	var buffer []byte
	for range 2 {
		var opened Token
		if err := opened.Open(token, DefaultMaxSize, &buffer, nil); err != nil {
			t.Fatal(err)
		}
		if len(buffer) != 164 || opened.Payload() != strings.Repeat("p", 100) || string(opened.Signature) != strings.Repeat("s", 64) {
			t.Errorf("buffer of %d bytes, %q", len(buffer), opened.Payload())
		}
		if cap(opened.payload) != 100 || cap(opened.Signature) != 64 {
			t.Error("appending to one would overwrite the other")
		}
	}
}

// Sources for several issuers choose keys by the unverified issuer.
func TestUnverifiedIssuer(t *testing.T) {
	for _, test := range []struct {
		payload, iss, tid string
		want              error
	}{
		{`{"iss":"a","tid":"b"}`, "a", "b", nil},
		{`{"\u0069ss":"\u0061"}`, "a", "", nil},
		{`{}`, "", "", nil},
		{`{"iss":null,"tid":null}`, "", "", nil},
		{`{"ISS":"a","Tid":"b"}`, "", "", nil},
		{`{"iss":"a","tid":1}`, "a", "", nil},
		{`{"iss":1}`, "", "", jwt.ErrTokenMalformed},
		{`{"iss":["a"]}`, "", "", jwt.ErrTokenMalformed},
		{`{"iss":"a","iss":"b"}`, "", "", jwt.ErrTokenMalformed},
		{`{"iss":"a"`, "", "", jwt.ErrTokenMalformed},
		{`null`, "", "", jwt.ErrTokenMalformed},
		{`"iss"`, "", "", jwt.ErrTokenMalformed},
	} {
		opened, err := Open(segment(`{"alg":"ES256"}`)+"."+segment(test.payload)+".AAAA", DefaultMaxSize)
		if err != nil {
			t.Fatal(err)
		}
		iss, tid, err := opened.UnverifiedIssuer()
		if iss != test.iss || tid != test.tid || !errors.Is(err, test.want) || err != nil && !errors.Is(err, fault.ErrTokenInvalid) {
			t.Errorf("%s: %q, %q, %v", test.payload, iss, tid, err)
		}
	}
}

func TestHeaderCache(t *testing.T) {
	cache := NewHeaderCache(FewHeaders)
	open := func(header string) Token {
		t.Helper()
		var opened Token
		var buffer []byte
		if err := opened.Open(segment(header)+".e30.AA", DefaultMaxSize, &buffer, cache); err != nil {
			t.Fatal(err)
		}
		return opened
	}
	const header = `{"alg":"EdDSA","kid":"k1"}`
	first := open(header)
	if first.cached || cache.Len() != 0 {
		t.Fatal("a header is cached that nobody added")
	}
	cache.Add(&first)
	again := open(header)
	if !again.cached || again.Header != first.Header || again.Algorithm != jws.EdDSA || cache.Len() != 1 {
		t.Errorf("from the cache: %+v", again)
	}

	// Another header in the same slot is not taken for it.
	slot := cache.slot(segment(header))
	slot.Store(&cachedHeader{encoded: segment(header) + "A", header: Header{Algorithm: "none"}})
	if opened := open(header); opened.cached || opened.Header != first.Header {
		t.Errorf("mistaken: %+v", opened)
	}
	cache.Add(&first)
	if opened := open(header); !opened.cached || opened.Header != first.Header {
		t.Errorf("not replaced: %+v", opened)
	}

	long := open(`{"alg":"EdDSA","x":"` + strings.Repeat("x", maxCachedBytes) + `"}`)
	cache.Add(&long)
	if cache.Len() != 1 {
		t.Error("a long header is cached")
	}
	for i := range 10 * FewHeaders {
		opened := open(fmt.Sprintf(`{"alg":"EdDSA","x":%d}`, i))
		cache.Add(&opened)
	}
	if n := cache.Len(); n < FewHeaders/2 || n > FewHeaders {
		t.Errorf("%d headers are cached", n)
	}
}

func TestStripBearer(t *testing.T) {
	for text, want := range map[string]string{
		"Bearer a.b.c":    "a.b.c",
		"bEARER    a":     "a",
		"Bearer":          "Bearer",
		"Bearer ":         "",
		"Bearer\ta":       "Bearer\ta",
		"BearerX a":       "BearerX a",
		" Bearer a":       " Bearer a",
		"DPoP a":          "DPoP a",
		"a.b.c":           "a.b.c",
		"Bearer Bearer a": "Bearer a",
	} {
		if got := StripBearer(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	// More spaces than a token may have bytes are not all looked at.
	if got := StripBearer("Bearer " + strings.Repeat(" ", 3*DefaultMaxSize) + "a"); len(got) < DefaultMaxSize {
		t.Errorf("%d bytes are left", len(got))
	}
}
