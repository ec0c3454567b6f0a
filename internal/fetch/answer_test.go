package fetch

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestContentEncoding_OnlyWhatWasAskedFor(t *testing.T) {
	const not = ", which was not asked for"
	for _, test := range []struct {
		name, want string // "" for a Response
		values     []string
	}{
		{"none", "", nil},
		{"empty", "", []string{""}},
		{"identity", "", []string{"Identity"}},
		{"a list of nothing", "", []string{" , identity ,", ""}},
		{"br over a plain body", `answered with Content-Encoding "br"` + not, []string{"br"}},
		{"zstd", `answered with Content-Encoding "zstd"` + not, []string{"zstd"}},
		{"gzip that nobody undid", `answered with Content-Encoding "gzip"` + not, []string{"gzip"}},
		{"in a list", `answered with Content-Encoding "deflate"` + not, []string{"identity, deflate"}},
		{"in a second line", `answered with Content-Encoding "x-a"` + not, []string{"identity", "x-a"}},
		{"a long one is cut", `answered with Content-Encoding "` + strings.Repeat("b", 61) + `…"` + not, []string{strings.Repeat("b", 5000)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			requests := 0
			cfg := config(func(*http.Request) (*http.Response, error) {
				requests++
				resp := answer(200, text("{}"))
				resp.Header["Content-Encoding"] = test.values
				return resp, nil
			})
			cfg.Retries = 2
			resp, err := New(cfg).Get(t.Context(), Request{URL: docURL})
			if test.want == "" {
				if err != nil || string(resp.Body) != "{}" {
					t.Errorf("%v, %v", resp, err)
				}
				return
			}
			if e := mustFail(t, err); e.Error() != "GET "+docURL+": "+test.want || e.StatusCode != 200 || requests != 1 {
				t.Errorf("%d requests, status %d: %v", requests, e.StatusCode, err)
			}
		})
	}
	// A date is a condition as well.
	resp, err := New(config(status(304))).Get(t.Context(), Request{URL: docURL, LastModified: "Sun, 01 Mar 2026 12:00:00 GMT"})
	if err != nil || !resp.NotModified {
		t.Errorf("304 to a date: %v, %v", resp, err)
	}
	// An answer without a body, or with another status, has nothing to decode.
	resp, err = New(config(status(304, "Content-Encoding", "br"))).Get(t.Context(), Request{URL: docURL, ETag: `"1"`})
	if err != nil || !resp.NotModified {
		t.Errorf("304: %v, %v", resp, err)
	}
	_, err = New(config(status(404, "Content-Encoding", "br"))).Get(t.Context(), Request{URL: docURL})
	if e := mustFail(t, err); !strings.Contains(e.Error(), "answered 404") {
		t.Error(err)
	}
}

func TestValidators_UnfitAreDropped(t *testing.T) {
	const (
		date  = "Sun, 01 Mar 2026 12:00:00 GMT"
		older = "Sun, 01 Mar 2026 11:59:59 GMT"
	)
	for _, test := range []struct {
		name               string
		code               int
		header             []string
		etag, lastModified string
	}{
		{"both", 200, []string{"ETag", `"1"`, "Date", date, "Last-Modified", older}, `"1"`, older},
		{"both of a 304", 304, []string{"ETag", `"1"`, "Date", date, "Last-Modified", older}, `"1"`, older},
		{"an ETag of a kibibyte", 200, []string{"ETag", strings.Repeat("e", 1024)}, strings.Repeat("e", 1024), ""},
		{"an ETag of more", 200, []string{"ETag", strings.Repeat("e", 1025)}, "", ""},
		{"an ETag of much more", 304, []string{"ETag", strings.Repeat("e", 200_000), "Date", date, "Last-Modified", older}, "", older},
		{"an ETag with a control character", 200, []string{"ETag", "a\x01b"}, "", ""},
		{"a date of the same second", 200, []string{"Date", date, "Last-Modified", date}, "", ""},
		{"a date without a Date", 200, []string{"Last-Modified", older}, "", ""},
		{"no date at all", 200, []string{"Date", date, "Last-Modified", strings.Repeat("x", 100_000)}, "", ""},
	} {
		resp, err := New(config(status(test.code, test.header...))).Get(t.Context(), Request{URL: docURL, ETag: `"0"`})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if got := resp.Header; got.Get("ETag") != test.etag || got.Get("Last-Modified") != test.lastModified {
			t.Errorf("%s: %.80q and %.80q are kept", test.name, got.Get("ETag"), got.Get("Last-Modified"))
		}
	}
	// The header may be one that a transport of the user's gives again.
	shared := http.Header{"Etag": {strings.Repeat("e", 5000)}}
	if _, err := New(config(func(*http.Request) (*http.Response, error) {
		resp := answer(200, text("{}"))
		resp.Header = shared
		return resp, nil
	})).Get(t.Context(), Request{URL: docURL}); err != nil || shared.Get("ETag") == "" {
		t.Errorf("the user's header was changed, or %v", err)
	}
}

func TestResponseHeader_IsBounded(t *testing.T) {
	for _, test := range []struct {
		name string
		code int
		size int
		want string
	}{
		{"under the limit", 200, 200 << 10, ""},
		{"over it", 200, 257 << 10, "the header of the answer is longer than the limit of 262144 bytes"},
		{"far over it", 200, 8 << 20, "the header of the answer is longer than the limit of 262144 bytes"},
		{"of a 304", 304, 1 << 20, "the header of the answer is longer than the limit of 262144 bytes"},
	} {
		_, err := New(config(func(*http.Request) (*http.Response, error) {
			resp := answer(test.code, text("{}"))
			for n := 0; n < test.size; n += 1024 { // many small ones are as bad
				resp.Header.Add("X-Filler", strings.Repeat("x", 1024-12))
			}
			return resp, nil
		})).Get(t.Context(), Request{URL: docURL, ETag: `"0"`})
		if test.want == "" {
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
		} else if e := mustFail(t, err); !strings.HasSuffix(e.Error(), test.want) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestCacheControl_OfRequests(t *testing.T) {
	for _, test := range []struct {
		name    string
		request Request
		want    string
	}{
		{"none", Request{}, ""},
		{"the TTL", Request{MaxAge: 15 * time.Minute}, "max-age=900"},
		{"whole seconds", Request{MaxAge: 90*time.Second + 900*time.Millisecond}, "max-age=90"},
		{"less than one", Request{MaxAge: 1}, "max-age=0"},
		{"beside validators", Request{MaxAge: time.Minute, ETag: `"1"`}, "max-age=60"},
		{"no-cache", Request{NoCache: true}, "no-cache"},
		{"no-cache wins", Request{NoCache: true, MaxAge: time.Minute}, "no-cache"},
	} {
		var got []string
		cfg := config(func(r *http.Request) (*http.Response, error) {
			got = r.Header.Values("Cache-Control")
			return answer(200, text("{}")), nil
		})
		test.request.URL = docURL
		if _, err := New(cfg).Get(t.Context(), test.request); err != nil || strings.Join(got, "|") != test.want {
			t.Errorf("%s: %q, %v; want %q", test.name, got, err, test.want)
		}
	}
}

func TestSniff(t *testing.T) {
	for _, test := range []struct{ name, body, contentType, want string }{
		{"a JSON object", `{"keys":[]}`, "application/json", ""},
		{"with other types that hold JSON", ` {`, "application/jwk-set+json; charset=utf-8", ""},
		{"with a type in capitals and spaces", "{", " Application/JWK-Set+JSON ; charset=utf-8", ""},
		{"with types that mean nothing", "\ufeff{", "text/plain", ""},
		{"without a type", "{", "", ""},
		{"labelled as something else", "{", "image/png", `a document, Content-Type "image/png"`},
		{"HTML", "<!DOCTYPE html><title>Sign in</title>", "text/html", `an HTML page, Content-Type "text/html"`},
		{"HTML in its own way", "\n\t<HTML lang=en>", "", "an HTML page"},
		{"XML", `<?xml version="1.0"?><EntityDescriptor/>`, "", "XML"},
		{"a piece of markup", "<p>504</p>", "application/json", `HTML or XML, Content-Type "application/json"`},
		{"PEM", "-----BEGIN CERTIFICATE-----\nMII", "", "PEM text"},
		{"PEM of a key", "\r\n-----BEGIN PUBLIC KEY-----", "", "PEM text"},
		{"a token", "eyJhbGciOiJSUzI1NiJ9.eyJrZXlzIjpbXX0.c2ln", "application/jwt", `a token, Content-Type "application/jwt"`},
		{"a token with a long header", "ey" + strings.Repeat("J", 1000) + ".e30.c2ln", "", "a token"},
		{"a token with each kind of character", "eyazAZ09-_.e30.c2ln", "", "a token"},
		{"one segment of a token", "eyJhbGciOiJub25lIn0", "", "a token"},
		{"too little of a token", "ey.", "", "text that is not JSON"},
		{"a word", "eye.catcher!", "", "a token"},
		{"a sentence", "eyes only. Really.", "", "text that is not JSON"},
		{"gzip", "\x1f\x8b\x08\x00", "application/json", `gzip data, Content-Type "application/json"`},
		{"Zstandard", "\x28\xb5\x2f\xfd", "", "Zstandard data"},
		{"UTF-16", "\xff\xfe{\x00", "", "UTF-16 text"},
		{"UTF-16 the other way round", "\xfe\xff\x00{", "", "UTF-16 text"},
		{"a certificate in DER", "\x30\x82\x03\x4f", "", "DER data"},
		{"nothing", "", "", "empty"},
		{"white space", " \r\n\t", "", "empty"},
		{"a byte order mark", "\ufeff", "text/plain", `empty, Content-Type "text/plain"`},
		{"an array", "[{}]", "", "a JSON array"},
		{"a string", `"x"`, "", "a JSON string"},
		{"null", "null", "", "a JSON value that is not an object"},
		{"nought", "0", "", "a JSON value that is not an object"},
		{"nine", "9", "", "a JSON value that is not an object"},
		{"a negative number", "-1", "", "a JSON value that is not an object"},
		{"text", "upstream connect error", "text/plain", `text that is not JSON, Content-Type "text/plain"`},
		{"a long type is cut", "x", strings.Repeat("t", 500), `text that is not JSON, Content-Type "` + strings.Repeat("t", 61) + `…"`},
		{"a type with line breaks is quoted", "x", "a\nb", `text that is not JSON, Content-Type "a\nb"`},
	} {
		if got := Sniff(test.body, test.contentType); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
		if got := Sniff([]byte(test.body), test.contentType); got != test.want {
			t.Errorf("%s, as bytes: %q", test.name, got)
		}
	}
}
