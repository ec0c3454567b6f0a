package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/fetch"
	"github.com/seed-22400188/jwks/jwkstest"
)

// moment0 is when the observations of these tests were made.
var moment0 = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

const testIssuer = "https://login.example"

// answered is an answer of one exchange.
func answered(url string, status int, body []byte, header http.Header) *answer {
	h := http.Header{"Content-Type": {"application/json"}, "Date": {moment0.Format(http.TimeFormat)}}
	for name, values := range header {
		h[name] = values
	}
	a := &answer{url: url, body: body, exchanges: []exchange{{
		url: url, status: status, header: h, took: 20 * time.Millisecond, at: moment0, size: int64(len(body)),
		tls: &tls.ConnectionState{Version: tls.VersionTLS13, PeerCertificates: []*x509.Certificate{{NotAfter: moment0.Add(90 * 24 * time.Hour)}}},
	}}}
	if status != http.StatusOK && status != http.StatusNotModified {
		a.err = &fetch.Error{URL: url, StatusCode: status, Err: errors.New(http.StatusText(status))}
	}
	return a
}

// keySetOf is the document of a fake issuer with these algorithms.
func keySetOf(t *testing.T, algs ...string) []byte {
	t.Helper()
	issuer := jwkstest.New(t, jwkstest.WithAlgorithms(algs...))
	resp, err := issuer.HTTPClient().Get(issuer.JWKSURL())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b json.RawMessage
	if err := json.NewDecoder(resp.Body).Decode(&b); err != nil {
		t.Fatal(err)
	}
	return b
}

// healthy are observations with nothing wrong in them.
func healthy(t *testing.T) *observations {
	t.Helper()
	keys := testIssuer + "/jwks"
	body := keySetOf(t, "ES256", "EdDSA")
	header := http.Header{"Etag": {`"1"`}, "Cache-Control": {"max-age=600"}}
	metadata := []byte(`{"issuer":"` + testIssuer + `","jwks_uri":"` + keys + `"}`)
	o := &observations{
		issuer: testIssuer, now: moment0,
		places: []*place{
			{answered(testIssuer+"/.well-known/openid-configuration", 200, metadata, nil), readDocument(metadata)},
			{answered(testIssuer+"/.well-known/oauth-authorization-server", 404, nil, nil), document{}},
		},
		keys: answered(keys, 200, body, header), again: answered(keys, 200, body, header),
		same: answered(keys, 304, nil, header), made: answered(keys, 200, body, header),
	}
	o.found = choose(o.places, testIssuer)
	o.entries, o.listErr = readEntries(body)
	return o
}

func TestExamine_Table(t *testing.T) {
	for _, f := range examine(healthy(t)) {
		if f.Level != levelOK || f.Advice != "" || f.Text == "" {
			t.Errorf("healthy: %+v", f)
		}
	}
	header := func(a *answer) http.Header { return a.exchanges[0].header }
	for _, test := range []struct {
		name    string
		change  func(o *observations)
		finding string
		level   level
		says    string
	}{
		{"max-age of an hour", func(o *observations) { header(o.keys).Set("Cache-Control", "max-age=3600") }, "caching", levelOK, "1 h"},
		{"and a second", func(o *observations) { header(o.keys).Set("Cache-Control", "max-age=3601") }, "caching", levelWarn, "1 h"},
		{"of which most is over", func(o *observations) {
			header(o.keys).Set("Cache-Control", "max-age=86400")
			header(o.keys).Set("Age", "86000")
		}, "caching", levelWarn, "24 h"},
		{"Expires", func(o *observations) {
			header(o.keys).Del("Cache-Control")
			header(o.keys).Set("Expires", moment0.Add(2*time.Hour).Format(http.TimeFormat))
		}, "caching", levelWarn, "2 h"},
		{"no word about caching", func(o *observations) { header(o.keys).Del("Cache-Control") }, "caching", levelOK, "says nothing"},
		{"no-store", func(o *observations) { header(o.keys).Set("Cache-Control", "no-store") }, "caching", levelInfo, "may not"},

		{"no validator", func(o *observations) { header(o.keys).Del("ETag"); o.same = nil }, "validators", levelOK, "none"},
		{"a validator that does not help", func(o *observations) { o.same = o.again }, "validators", levelInfo, "in full all the same"},
		{"a condition that fails", func(o *observations) { o.same = answered(o.keys.url, 500, nil, nil) }, "validators", levelInfo, "failed"},
		{"304 to a validator that never was", func(o *observations) { o.made = o.same }, "validators", levelWarn, "cannot know"},
		{"one Last-Modified for two sets", func(o *observations) {
			h := http.Header{"Last-Modified": {"Fri, 27 Nov 2026 10:00:00 GMT"}}
			o.keys, o.again = answered(o.keys.url, 200, o.keys.body, h), answered(o.keys.url, 200, []byte(`{"keys":[]}`), h)
		}, "validators", levelWarn, "Last-Modified"},
		{"another ETag for another set", func(o *observations) {
			o.again = answered(o.keys.url, 200, []byte(`{"keys":[]}`), http.Header{"Etag": {`"2"`}})
			o.same = o.again
		}, "validators", levelOK, "changed meanwhile"},
		{"a set from before there were any", func(o *observations) { header(o.keys).Set("Last-Modified", "Thu, 01 Jan 1970 00:00:01 GMT") }, "validators", levelWarn, "1970"},

		{"an ETag of nginx without a date", func(o *observations) { header(o.keys).Set("ETag", `"12cea601-18b"`) }, "validators", levelWarn, "1980"},
		{"one of nginx with a date", func(o *observations) { header(o.keys).Set("ETag", `W/"6927f000-18b"`) }, "validators", levelOK, "304"},

		{"replicas that disagree", func(o *observations) {
			o.again = answered(o.keys.url, 200, keySetOf(t, "ES256"), http.Header{"Etag": {`"2"`}})
		}, "replicas", levelInfo, "different keys"},
		{"the same in another order", func(o *observations) {
			var d struct{ Keys []json.RawMessage }
			_ = json.Unmarshal(o.keys.body, &d)
			slices.Reverse(d.Keys)
			body, _ := json.Marshal(map[string]any{"keys": d.Keys})
			o.again = answered(o.keys.url, 200, body, http.Header{"Etag": {`"2"`}})
		}, "replicas", levelOK, "same keys"},
		{"a replica that is broken", func(o *observations) { o.again = answered(o.keys.url, 200, []byte("<html>"), nil) }, "replicas", levelInfo, "not a key set"},

		{"a clock that is ahead", func(o *observations) { shiftDates(o, time.Minute) }, "clock", levelWarn, "60 s ahead"},
		{"30 s", func(o *observations) { shiftDates(o, -30*time.Second) }, "clock", levelOK, "30 s"},
		{"an answer from a cache", func(o *observations) {
			for _, x := range allExchanges(o) {
				x.header.Set("Date", moment0.Add(-time.Hour).Format(http.TimeFormat))
				x.header.Set("Age", "3600")
			}
		}, "clock", levelOK, "within 1 s"},
		{"no Date", func(o *observations) {
			for _, x := range allExchanges(o) {
				x.header.Del("Date")
			}
		}, "clock", levelInfo, "no Date"},

		{"a slow document", func(o *observations) { o.places[0].exchanges[0].took = 2 * time.Second }, "latency", levelInfo, "slow"},
		{"slow once", func(o *observations) { o.keys.exchanges[0].took = 2 * time.Second }, "latency", levelOK, "20 ms"},
		{"too slow for a client", func(o *observations) { o.places[0].exchanges[0].took = 6 * time.Second }, "latency", levelInfo, "slower than the 5 s"},

		{"a slash in the document", func(o *observations) { o.found.document.issuer += "/" }, "issuer", levelError, "slash"},
		{"only at the other place", func(o *observations) { o.places[0], o.places[1] = o.places[1], o.places[0] }, "discovery", levelInfo, "it is only at"},
		{"what a client refuses", func(o *observations) { o.loadErr = errors.New("jwks: no") }, "key_set", levelError, "a client refuses it: no"},
		{"a certificate for two weeks", func(o *observations) { o.now = moment0.Add(76 * 24 * time.Hour) }, "certificate", levelOK, "TLS 1.3"},
		{"and no more", func(o *observations) { o.now = moment0.Add(76*24*time.Hour + time.Second) }, "certificate", levelInfo, "14 days"},
		{"an unknown authority", func(o *observations) {
			o.places[0].exchanges[0].err = &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
		}, "certificate", levelError, "authority"},
		{"another name", func(o *observations) {
			o.places[0].exchanges[0].err = &tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{}, Host: "login.example"}}
		}, "certificate", levelError, "another host"},
		{"keys by http", func(o *observations) { o.keys.url = "http://login.example/jwks" }, "https", levelWarn, "http://login.example/jwks"},
		{"text/plain", func(o *observations) { header(o.keys).Set("Content-Type", "text/plain") }, "content_type", levelInfo, "text/plain"},
		{"a JWK type", func(o *observations) { header(o.keys).Set("Content-Type", "application/jwk-set+json; charset=utf-8") }, "content_type", levelOK, "JSON"},
		{"no type", func(o *observations) { header(o.found.answer).Del("Content-Type") }, "content_type", levelInfo, "absent"},
		{"uncompressed", func(o *observations) { o.keys.exchanges[0].size = worthPacking + 1 }, "compression", levelInfo, "8.2 KB"},
		{"compressed", func(o *observations) { o.keys.exchanges[0].size, o.keys.exchanges[0].compressed = 1<<20, true }, "compression", levelOK, "gzip"},
		{"large", func(o *observations) { o.keys.exchanges[0].size = large + 1 }, "size", levelInfo, "65.5 KB"},
		{"a redirect", func(o *observations) {
			o.keys.exchanges = append([]exchange{{url: testIssuer + "/old", status: 302, header: http.Header{}}}, o.keys.exchanges...)
		}, "redirects", levelInfo, "/old leads to"},
	} {
		o := healthy(t)
		test.change(o)
		for _, f := range examine(o) {
			if f.Name == test.finding && (f.Level != test.level || !strings.Contains(f.Text, test.says)) {
				t.Errorf("%s: %+v, want %s and %q", test.name, f, test.level, test.says)
			}
			if (f.Advice == "") != (f.Level == levelOK) && f.Name != "key_set" {
				t.Errorf("%s: level and advice disagree: %+v", test.name, f)
			}
		}
	}
}

func allExchanges(o *observations) []*exchange {
	var list []*exchange
	for _, a := range []*answer{o.places[0].answer, o.places[1].answer, o.keys, o.again, o.same, o.made} {
		for i := range a.exchanges {
			list = append(list, &a.exchanges[i])
		}
	}
	return list
}

func shiftDates(o *observations, d time.Duration) {
	for _, x := range allExchanges(o) {
		x.header.Set("Date", moment0.Add(d).Format(http.TimeFormat))
	}
}

func TestVerdict_ExitStatus(t *testing.T) {
	of := func(levels ...level) (list []finding) {
		for _, l := range levels {
			list = append(list, finding{Level: l})
		}
		return list
	}
	for _, test := range []struct {
		findings     []finding
		keys, strict bool
		want         int
	}{
		{of(levelOK, levelInfo), true, true, exitOK},
		{of(levelWarn), true, false, exitOK},
		{of(levelWarn), true, true, exitRefused},
		{of(levelError), true, false, exitRefused},
		{of(levelError), false, false, exitUndecidable},
		{of(levelError, levelWarn), false, true, exitUndecidable},
	} {
		if got := verdictOf(test.findings, test.keys, test.strict); got != test.want {
			t.Errorf("%+v: %d, want %d", test, got, test.want)
		}
	}
}

// TestFollower_LineAChange turns events into lines.
func TestFollower_LineAChange(t *testing.T) {
	until := moment0.Add(time.Hour)
	var got []string
	f := &follower{issuer: testIssuer, tell: func(l watchLine) {
		text := l.Event + " " + strings.Join(l.Kids, ",") + l.Error
		if l.Until != nil {
			text += " " + stamp(*l.Until)
		}
		got = append(got, strings.TrimSpace(text))
	}}
	fail := func(text string, until time.Time) jwks.Event {
		return jwks.Event{Kind: jwks.EventRefreshFailed, Err: errors.New("jwks: " + text), Until: until}
	}
	for _, e := range []jwks.Event{
		fail("no answer", time.Time{}),
		fail("no answer", time.Time{}),
		{Kind: jwks.EventRefreshed, Added: []string{"a", "b"}},
		{Kind: jwks.EventRecovered},
		{Kind: jwks.EventRefreshed},
		{Kind: jwks.EventNotModified},
		{Kind: jwks.EventRefreshed, Added: []string{"c"}, Removed: []string{"a"}, Changed: []string{"b"}},
		fail("503, say WithTLSConfig", until),
		fail("503", until),
		{Kind: jwks.EventServedStale}, {Kind: jwks.EventThrottled},
		{Kind: jwks.EventExpired},
		fail("503", until),
		{Kind: jwks.EventRecovered},
		fail("again", until),
	} {
		f.observe(e)
	}
	want := []string{
		"failed no answer", "keys a,b", "recovered", "added c", "removed a", "changed b",
		"failed 503, say -ca 2026-11-27T13:00:00Z", "expired", "recovered", "failed again 2026-11-27T13:00:00Z",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
