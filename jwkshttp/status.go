package jwkshttp

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/show"
)

// Clients combines clients into one source for [StatusHandler]. A nil client panics.
func Clients(c ...*jwks.Client) interface{ Status() []jwks.Status } {
	if slices.Contains(c, nil) {
		panic("jwkshttp: Clients: a client is nil")
	}
	return clients(slices.Clone(c))
}

type clients []*jwks.Client

func (c clients) Status() []jwks.Status {
	all := make([]jwks.Status, len(c))
	for i, client := range c {
		all[i] = client.Status()
	}
	return all
}

// StatusHandler shows the state of the keys: whether they are fresh, how old they
// are and until when they can be used, their kids, which entries of a key set are
// not usable and why, and the last error. [*jwks.Issuers] is a source, and
// [Clients] makes one from clients. The handler does no I/O.
//
// People get a page, which needs no script and loads nothing else. Programs whose
// Accept header names application/json and not text/html get {"clients": […]}
// with a [jwks.Status] for each client. The page lists the most urgent client first, the
// JSON follows the order of the sources. Neither contains a key, a token, or the query of
// a URL. But both show which issuers the service trusts, so protect the handler like other
// internal pages. It answers GET and HEAD, and other methods with 405. A nil source
// panics.
func StatusHandler(sources ...interface{ Status() []jwks.Status }) http.Handler {
	for _, s := range sources {
		if isNil(s) {
			panic("jwkshttp: StatusHandler: a source is nil")
		}
	}
	sources = slices.Clone(sources)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		all := []jwks.Status{} // not null in JSON
		for _, s := range sources {
			all = append(all, s.Status()...)
		}
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Vary", "Accept")
		h.Set("X-Content-Type-Options", "nosniff")
		var body bytes.Buffer
		var err error
		if accepts := r.Header.Values("Accept"); names(accepts, "application/json") && !names(accepts, "text/html") {
			h.Set("Content-Type", "application/json")
			err = json.NewEncoder(&body).Encode(map[string]any{"clients": all})
		} else {
			h.Set("Content-Type", "text/html; charset=utf-8")
			h.Set("Content-Security-Policy", pagePolicy)
			h.Set("Referrer-Policy", "no-referrer")
			err = statusPage.Execute(&body, newPage(all, time.Now()))
		}
		if err != nil {
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			return
		}
		h.Set("Content-Length", strconv.Itoa(body.Len()))
		_, _ = w.Write(body.Bytes()) // net/http drops it for HEAD
	})
}

// names says whether an Accept header names a media type (RFC 9110 section
// 12.5.1), other than to exclude it.
func names(accept []string, media string) bool {
	for _, line := range accept {
		for element := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(element, ";")
			if !strings.EqualFold(strings.TrimSpace(name), media) {
				continue
			}
			q, isQ := strings.CutPrefix(strings.ToLower(strings.ReplaceAll(params, " ", "")), "q=")
			if weight, err := strconv.ParseFloat(q, 64); !isQ || err != nil || weight > 0 {
				return true
			}
		}
	}
	return false
}

//go:embed status.html
var statusHTML string

//go:embed status.css
var statusCSS string

var statusPage = template.Must(template.New("status").Parse(statusHTML))

// pagePolicy lets the page use its own style and nothing else.
var pagePolicy = func() string {
	sum := sha256.Sum256([]byte(statusCSS))
	return "default-src 'none'; img-src data:; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

// page is what the template shows. All texts that issuers chose are shortened,
// and escaped by the template.
type page struct {
	Summary string
	Now     string
	Style   template.CSS
	Clients []clientView
}

type clientView struct {
	urgency int
	Class   string // "good", "warn" or "bad"
	Name    string
	Verdict string
	Rows    []row
	Lists   []list
	Skipped *list
}

type row struct {
	Name, Text string
	Code       bool
}

type list struct {
	Name  string
	Items []string
	More  int
}

// maxShown is how many kids, or skipped entries, of one client are shown.
const maxShown = 40

func newPage(all []jwks.Status, now time.Time) page {
	p := page{Now: now.UTC().Format(time.RFC3339), Style: template.CSS(statusCSS)}
	trouble := 0
	for _, s := range all {
		v := newClientView(s, now)
		if v.urgency > 0 {
			trouble++
		}
		p.Clients = append(p.Clients, v)
	}
	slices.SortStableFunc(p.Clients, func(a, b clientView) int { return cmp.Compare(b.urgency, a.urgency) })
	if p.Summary = show.Count(len(all), "issuer") + ", all well"; trouble > 0 {
		p.Summary = fmt.Sprintf("%d of %s in trouble", trouble, show.Count(len(all), "issuer"))
	}
	return p
}

func newClientView(s jwks.Status, now time.Time) clientView {
	v := clientView{Name: show.Place(cmp.Or(s.Issuer, s.JWKSURL, "static key set"))}
	v.urgency, v.Verdict = verdict(s)
	v.Class = [...]string{"good", "warn", "bad"}[v.urgency]
	add := func(name, text string) {
		if text != "" {
			v.Rows = append(v.Rows, row{Name: name, Text: text})
		}
	}
	if s.JWKSURL != "" {
		v.Rows = append(v.Rows, row{"Key set", show.Place(s.JWKSURL), true})
	}
	add("Fetched", moment(s.FetchedAt, now))
	add("Stored", moment(s.Stored, now))
	add("Fresh until", moment(s.ExpiresAt, now))
	add("Serves until", moment(s.StaleUntil, now))
	if s.ConsecutiveFailures > 0 {
		add("Failing", show.Count(s.ConsecutiveFailures, "failure")+" in a row")
	}
	add("Next attempt", moment(s.NextAttempt, now))
	if s.LastError != nil {
		v.Rows = append(v.Rows, row{"Last error", show.Text(s.LastError.Error()), true})
		add("Last error at", moment(s.LastErrorAt, now))
	}
	add("Refreshes", fmt.Sprintf("%d (%d not modified, %d failed)", s.Fetches, s.NotModified, s.Failures))
	if s.Throttled > 0 {
		add("Throttled", fmt.Sprintf("%d lookups of unknown keys", s.Throttled))
	}
	if s.Hash != "" {
		v.Rows = append(v.Rows, row{"Hash", s.Hash, true})
	}
	for _, l := range []list{listOf("Keys", s.KeyIDs), listOf("Retained", s.Retained)} {
		if len(l.Items) > 0 {
			v.Lists = append(v.Lists, l)
		}
	}
	if len(s.Skipped) > 0 {
		v.Skipped = &list{}
		for _, e := range s.Skipped[:min(len(s.Skipped), maxShown)] {
			v.Skipped.Items = append(v.Skipped.Items, describeSkipped(e))
		}
		v.Skipped.More = len(s.Skipped) - len(v.Skipped.Items)
	}
	return v
}

// verdict says how urgent the state of a client is, and what it is.
func verdict(s jwks.Status) (urgency int, text string) {
	switch {
	case s.State == jwks.StateExpired && s.ConsecutiveFailures == 0:
		return 0, "expired, and nobody asked since: the next lookup refreshes"
	case s.State == jwks.StateExpired:
		return 2, "expired: tokens are answered as unavailable"
	case s.State == jwks.StateEmpty && s.ConsecutiveFailures > 0:
		return 2, "empty, refreshes fail: tokens are answered as unavailable"
	case s.State == jwks.StateEmpty:
		return 0, "empty: nobody needed it yet"
	case s.ConsecutiveFailures > 0:
		return 1, s.State.String() + ", refreshes fail"
	}
	return 0, s.State.String()
}

func listOf(name string, kids []string) list {
	l := list{Name: name}
	for _, kid := range kids[:min(len(kids), maxShown)] {
		l.Items = append(l.Items, cmp.Or(show.Line(kid), "(no kid)"))
	}
	l.More = len(kids) - len(l.Items)
	return l
}

func describeSkipped(e jwks.SkippedKey) string {
	text := fmt.Sprintf("entry %d", e.Index)
	if e.KeyID != "" {
		text += ", kid " + show.Quote(e.KeyID)
	}
	if e.Err != nil {
		text += ": " + show.Text(e.Err.Error())
	}
	return text
}

// moment is a time for people: how far away, and when.
func moment(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	distance := "now"
	switch d := t.Sub(now).Round(time.Second); {
	case d < 0:
		distance = (-d).String() + " ago"
	case d > 0:
		distance = "in " + d.String()
	}
	return distance + " (" + t.UTC().Format(time.RFC3339) + ")"
}
