package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/seed-22400188/jwks/internal/httpcache"
	"github.com/seed-22400188/jwks/internal/show"
)

// judgeCaching: what the headers mean for the removal of a key.
func judgeCaching(o *observations) finding {
	if !o.hasKeySet() {
		return none
	}
	h := o.keys.final().header.Clone()
	h.Del("Age") // the whole lifetime counts
	lifetime, says := httpcache.Lifetime(h, o.keys.final().at)
	switch {
	case !says:
		return ok("the key set says nothing about caching: verifiers apply their own limits")
	case lifetime == 0:
		return found(levelInfo, "the key set may not be cached: verifiers that obey ask again and again",
			"let it be cached for 5 to 60 minutes, for example Cache-Control: max-age=900")
	case lifetime > maxKeptByCaches:
		return found(levelWarn, "caches may keep the key set for "+span(lifetime)+": for that long, verifiers that obey this trust a removed key, which may have leaked, and do not know a new one",
			"set Cache-Control: max-age=900, or at most an hour")
	}
	return ok("caches may keep the key set for " + span(lifetime) + ", and so trust a removed key for as long")
}

// oldestSet is before the first draft of JSON Web Key. A key set that claims to
// be older has a date that is not its own.
var oldestSet = time.Date(2011, 1, 1, 0, 0, 0, 0, time.UTC)

// judgeValidators: conditional requests work, and tell the truth.
func judgeValidators(o *observations) finding {
	if !o.hasKeySet() {
		return none
	}
	if lie := lyingValidators(o); lie != "" {
		return found(levelWarn, lie, "make the validator change with the content, for example an ETag from its hash: otherwise verifiers that make conditional requests keep trusting a removed key")
	}
	h := o.keys.final().header
	switch {
	case h.Get("ETag") == "" && h.Get("Last-Modified") == "":
		return ok("none: every response is complete")
	case o.same == nil:
		return ok("Last-Modified is too recent to be used for a conditional request: every response is complete")
	case o.same.err != nil:
		return found(levelInfo, "a conditional request failed: "+cause(o.same.err), "answer it with 304, or with the complete document")
	case o.same.final().status == http.StatusNotModified:
		return ok("a conditional request is answered 304, and one with a made-up validator in full")
	case string(o.same.body) == string(o.keys.body):
		return found(levelInfo, "there is a validator, and a conditional request is answered in full all the same", "answer If-None-Match with 304, which saves the body")
	}
	return ok("there is a validator; the set changed meanwhile")
}

// lyingValidators says how a server tells that nothing has changed when it has,
// or would; "" if it does not.
func lyingValidators(o *observations) string {
	h := o.keys.final().header
	if o.made != nil && o.made.err == nil && o.made.final().status == http.StatusNotModified {
		return "the server answers 304 to a validator that it cannot know: it always says that nothing has changed"
	}
	if o.again != nil && o.again.err == nil && string(o.again.body) != string(o.keys.body) {
		again := o.again.final().header
		etag, modified := h.Get("ETag"), h.Get("Last-Modified")
		switch {
		case etag != "" && etag == again.Get("ETag"):
			return "two different key sets came with the same ETag"
		case etag == "" && modified != "" && modified == again.Get("Last-Modified"):
			return "two different key sets came with the same Last-Modified"
		}
	}
	if t, err := http.ParseTime(h.Get("Last-Modified")); err == nil && t.Before(oldestSet) {
		return "Last-Modified is " + stamp(t) + ", before key sets existed: a constant, like that of files in a reproducible image, which does not change with a rotation"
	}
	if t, ok := nginxDate(h.Get("ETag")); ok && t.Before(oldestSet) {
		return "the ETag is made from the file's size and its date, " + stamp(t) + ": a constant, so that a key set of the same length has the same ETag"
	}
	return ""
}

// nginxETag is a date and a size in hexadecimal, as nginx makes an ETag of a
// file.
var nginxETag = regexp.MustCompile(`^(?:W/)?"([0-9a-f]{1,12})-[0-9a-f]{1,6}"$`)

func nginxDate(etag string) (time.Time, bool) {
	m := nginxETag.FindStringSubmatch(etag)
	if m == nil {
		return time.Time{}, false
	}
	seconds, err := strconv.ParseInt(m[1], 16, 64)
	return time.Unix(seconds, 0), err == nil && seconds > 0
}

// judgeContentType: JSON says that it is JSON.
func judgeContentType(o *observations) finding {
	var odd []string
	judge := func(what string, a *answer) {
		if value := a.final().header.Get("Content-Type"); !isJSONType(value) {
			if value == "" {
				value = "absent"
			} else {
				value = quote(value)
			}
			odd = append(odd, "Content-Type of the "+what+" is "+value)
		}
	}
	if o.found == nil {
		return none
	}
	judge("discovery document", o.found.answer)
	if o.hasKeySet() {
		judge("key set", o.keys)
	}
	if odd == nil {
		return ok("JSON")
	}
	return found(levelInfo, strings.Join(odd, "; "), "use application/json, or application/jwk-set+json for the key set (RFC 7517 section 8.5.2): some libraries insist on it")
}

func isJSONType(value string) bool {
	t, _, err := mime.ParseMediaType(value)
	return err == nil && (t == "application/json" || strings.HasPrefix(t, "application/") && strings.HasSuffix(t, "+json"))
}

func judgeCompression(o *observations) finding {
	if !o.hasKeySet() {
		return none
	}
	switch x := o.keys.final(); {
	case x.compressed:
		return ok("gzip")
	case x.size > worthPacking:
		return found(levelInfo, "the key set comes uncompressed, "+sizeText(x.size), "compress it for clients that accept gzip")
	}
	return ok("none, and the key set is small")
}

// judgeSize: of the documents as they are after decompression.
func judgeSize(o *observations) finding {
	if o.found == nil && !o.tooLong() {
		return none
	}
	var sizes []string
	largest := int64(0)
	add := func(what string, a *answer) {
		x := a.final()
		largest = max(largest, x.size)
		sizes = append(sizes, what+" "+sizeText(x.size))
	}
	if o.found != nil {
		add("discovery document", o.found.answer)
	}
	if o.keys != nil {
		add("key set", o.keys)
	}
	switch {
	case o.tooLong():
		return found(levelError, "a document is longer than 1 MiB, more than a verifier reads", "publish fewer keys, and no certificate chains")
	case largest > large:
		return found(levelInfo, strings.Join(sizes, ", "), "publish fewer keys, and no certificate chains: every verifier fetches this again and again")
	}
	return ok(strings.Join(sizes, ", "))
}

// tooLong says that a document has more than anybody reads.
func (o *observations) tooLong() bool {
	for _, x := range o.exchanges() {
		if x.status == http.StatusOK && x.size > maxDocument {
			return true
		}
	}
	return false
}

// judgeRedirects: the documents are where their URLs say.
func judgeRedirects(o *observations) finding {
	var texts []string
	seen := map[string]bool{}
	add := func(a *answer) {
		for i, x := range a.exchanges[:max(len(a.exchanges)-1, 0)] {
			if text := show.Place(x.url) + " leads to " + show.Place(a.exchanges[i+1].url); !seen[text] {
				seen[text] = true
				texts = append(texts, text)
			}
		}
	}
	for _, p := range o.places {
		if p == o.found || o.found == nil {
			add(p.answer)
		}
	}
	for _, a := range o.answers() {
		add(a)
	}
	switch {
	case o.found == nil && texts == nil:
		return none
	case texts == nil:
		return ok("none")
	}
	return found(levelInfo, listed(texts), "configure the final URL: some libraries follow no redirects, and none should send credentials to another host")
}

// judgeLatency goes by the fastest request for each document.
func judgeLatency(o *observations) finding {
	if o.found == nil {
		return none
	}
	longest, keys := o.latencies()
	texts := []string{"discovery document " + span(longest)}
	if o.keys != nil && o.keys.err == nil {
		texts = append(texts, "key set "+span(keys))
		longest = max(longest, keys)
	}
	text := strings.Join(texts, ", ")
	switch {
	case longest >= tooSlow:
		return found(levelInfo, text+": slower than the "+span(tooSlow)+" that a client waits", "make it faster, or raise WithTimeout in the verifiers: after a start, tokens wait for the keys")
	case longest >= slow:
		return found(levelInfo, text+": slow", "serve both documents from memory or a cache: after a start and after a rotation, tokens wait for the keys")
	}
	return ok(text)
}

func fastest(answers ...*answer) time.Duration {
	best := time.Duration(-1)
	for _, a := range answers {
		if a == nil {
			continue
		}
		total := time.Duration(0)
		for _, x := range a.exchanges {
			total += x.took
		}
		if a.err == nil && (best < 0 || total < best) {
			best = total
		}
	}
	return max(best, 0)
}

// judgeClock compares Date with the clock of this machine.
func judgeClock(o *observations) finding {
	off, dated, answered := time.Duration(0), false, false
	for _, x := range o.exchanges() {
		if x.status == 0 {
			continue
		}
		answered = true
		date, err := http.ParseTime(x.header.Get("Date"))
		if err != nil {
			continue
		}
		d := date.Add(httpcache.Age(x.header)).Sub(x.at) // what a cache kept was dated when it was made
		if !dated || d.Abs() < off.Abs() {
			off, dated = d, true
		}
	}
	switch {
	case !answered:
		return none
	case !dated:
		return found(levelInfo, "the responses have no Date", "make the server send it (RFC 9110 section 6.6.1)")
	case off.Abs() > maxClockOff:
		where := "ahead of"
		if off < 0 {
			where = "behind"
		}
		return found(levelWarn, fmt.Sprintf("the server's clock is %s %s this machine's", span(off), where),
			"synchronise both with NTP: exp, nbf and iat are judged with a leeway of 30 s")
	}
	return ok("within " + span(max(off.Abs().Truncate(time.Second), time.Second)) + " of this machine's")
}

// judgeHTTPS: keys that came by plain http may be anybody's.
func judgeHTTPS(o *observations) finding {
	urls := []string{o.issuer}
	if o.keys != nil {
		urls = append(urls, o.keys.url)
	}
	for _, x := range o.exchanges() {
		if x.status != 0 {
			urls = append(urls, x.url)
		}
	}
	for _, raw := range urls {
		if u, err := url.Parse(raw); err == nil && u.Scheme == "http" {
			return found(levelWarn, "plain http: "+show.Place(raw), "use https: anyone on the network path can put their own keys into the response")
		}
	}
	return ok("everywhere")
}

// judgeCertificate: valid, and for a while.
func judgeCertificate(o *observations) finding {
	var first time.Time
	version := uint16(0)
	for _, x := range o.exchanges() {
		var invalid *tls.CertificateVerificationError
		if errors.As(x.err, &invalid) {
			return found(levelError, "the certificate is refused: "+certificateProblem(invalid, o.now), "renew it, or send the whole chain; if it was signed by a certificate authority of your own, name that with -ca")
		}
		if x.tls == nil || len(x.tls.PeerCertificates) == 0 {
			continue
		}
		if version == 0 || x.tls.Version < version {
			version = x.tls.Version
		}
		if end := x.tls.PeerCertificates[0].NotAfter; first.IsZero() || end.Before(first) {
			first = end
		}
	}
	if first.IsZero() {
		return none
	}
	text := fmt.Sprintf("%s, the certificate ends %s (%s)", tls.VersionName(version), relative(first, o.now), stamp(first))
	if first.Sub(o.now) < certificateEnds {
		return found(levelInfo, text, "renew it: once it has expired, verifiers cannot fetch the keys")
	}
	return ok(text)
}

// certificateProblem says what is wrong in words of our own.
func certificateProblem(err *tls.CertificateVerificationError, now time.Time) string {
	var (
		invalid   x509.CertificateInvalidError
		hostname  x509.HostnameError
		authority x509.UnknownAuthorityError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil && now.Before(invalid.Cert.NotBefore):
		return "it is not valid before " + stamp(invalid.Cert.NotBefore)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		return "it expired " + relative(invalid.Cert.NotAfter, now) + " (" + stamp(invalid.Cert.NotAfter) + ")"
	case errors.As(err, &hostname):
		return "it is for another host than " + quote(hostname.Host)
	case errors.As(err, &authority):
		return "it is signed by an authority that this machine does not know"
	}
	return show.Line(err.Error())
}
