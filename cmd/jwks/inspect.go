package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/seed-22400188/jwks/internal/base64url"
	"github.com/seed-22400188/jwks/internal/strictjson"
)

func inspectCommand() *command {
	return &command{
		name:    "inspect",
		args:    "[-json] [TOKEN]",
		summary: "show what a token says, without verifying it or asking an issuer",
		details: `Shows the header and the claims, with times in words. Nothing is verified: anyone
can write a token that says this. The signature is never shown.

` + tokenHelp,
		prepare: func(f *flags) runner {
			var c common
			c.output(f, false)
			return func(ctx context.Context, p *program, args []string) (int, error) {
				if err := c.check(); err != nil {
					return exitUsage, err
				}
				ctx, cancel := c.limit(ctx)
				defer cancel()
				token, err := p.token(ctx, args)
				if err != nil {
					return exitUsage, err
				}
				in := readToken(token)
				if c.json {
					return in.status(), p.printJSON(in.document(p.now()), false)
				}
				p.print(in.text(p))
				return in.status(), nil
			}
		},
	}
}

// inspection is what a token says.
type inspection struct {
	header, claims json.RawMessage // as they stand in the token; nil where that is not JSON
	notes          []string        // what keeps it from being a good token
	size, segments int
}

func (in *inspection) note(text string) { in.notes = append(in.notes, text) }

func (in *inspection) status() int {
	if in.header == nil {
		return exitRefused
	}
	return exitOK
}

// readToken reads what can be read. It is more tolerant than a verifier, and
// says where.
func readToken(token string) *inspection {
	segments := strings.Split(token, ".")
	in := &inspection{size: len(token), segments: len(segments)}
	switch {
	case len(segments) == 5:
		in.note("it has 5 segments: an encrypted token (JWE), of which only the header can be read")
	case len(segments) < 3:
		in.note("it is not a JWT, which has 3 segments: perhaps an opaque token, which only its issuer can check")
		return in
	case len(segments) != 3:
		in.note("it has more than the 3 segments of a JWT")
		return in
	}
	in.header = in.segment("header", segments[0])
	if len(segments) == 3 {
		in.claims = in.segment("payload", segments[1])
		if segments[2] == "" {
			in.note("it has no signature: every verifier refuses it")
		}
	}
	return in
}

// segment decodes one segment into JSON, nil if it is none.
func (in *inspection) segment(name, text string) json.RawMessage {
	b := make([]byte, base64url.DecodedLen(len(text)))
	if !base64url.Decode(b, text) {
		var err error
		loose := strings.NewReplacer("+", "-", "/", "_", "=", "", "\n", "", "\r", "", " ", "").Replace(text)
		if b, err = base64.RawURLEncoding.DecodeString(loose); err != nil {
			in.note("the " + name + " is not base64url")
			return nil
		}
		in.note("the " + name + " is not base64url as RFC 7515 wants it (padding, line breaks or the other alphabet): verifiers refuse it")
	}
	members := strictjson.Object(string(b))
	for members.Next() {
	}
	if err := members.Err(); err != nil {
		if !json.Valid(b) {
			in.note("the " + name + " is not JSON: " + err.Error())
			return nil
		}
		in.note("the " + name + " is JSON that verifiers refuse: " + err.Error())
	}
	return b
}

// inspectionJSON is what -json prints.
type inspectionJSON struct {
	Verified bool                `json:"verified"` // always false
	Header   json.RawMessage     `json:"header"`
	Claims   json.RawMessage     `json:"claims"`
	Times    map[string]jsonTime `json:"times"`
	Notes    []string            `json:"notes"`
}

type jsonTime struct {
	Time string `json:"time"`
	Text string `json:"text"`
}

func (in *inspection) document(now time.Time) inspectionJSON {
	document := inspectionJSON{Header: in.header, Claims: in.claims, Times: map[string]jsonTime{}, Notes: in.notes}
	if document.Notes == nil {
		document.Notes = []string{}
	}
	for _, m := range membersOf(in.claims) {
		if t, ok := timeClaim(m.name, m.value); ok {
			document.Times[m.name] = jsonTime{stamp(t), timeWords(m.name, t, now)}
		}
	}
	return document
}

func (in *inspection) text(p *program) string {
	b := p.paint(bold+";"+yellow, "NOT VERIFIED") + "  nobody has checked the signature: anyone can write a token that says this\n"
	if in.header != nil {
		b += "header\n" + claimRows(in.header, p.now())
	}
	if in.claims != nil {
		b += "claims\n" + claimRows(in.claims, p.now())
	}
	for _, note := range in.notes {
		b += "note: " + note + "\n"
	}
	if in.header != nil && in.segments == 3 {
		b += "to verify it: jwks verify -aud NAME, with the token once more\n"
	}
	return b
}

// maxShown is how many bytes of one claim are shown; -json shows all.
const maxShown = 1024

// claimRows writes the members of an object, one a line, in their order.
func claimRows(object json.RawMessage, now time.Time) string {
	var rows [][]string
	for _, m := range membersOf(object) {
		value := cut(printable(compactJSON(m.value)), maxShown)
		if t, ok := timeClaim(m.name, m.value); ok {
			value += "  " + stamp(t) + ", " + timeWords(m.name, t, now)
		}
		rows = append(rows, []string{cut(printable(m.name), 64), value})
	}
	if rows == nil {
		return "  (nothing)\n"
	}
	return column(rows, "  ")
}

// member is one of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// membersOf lists the members of an object in their order, duplicates
// included; nothing of what is not an object.
func membersOf(object json.RawMessage) []member {
	var list []member
	members := strictjson.Object(string(object))
	members.AllowDuplicates()
	for members.Next() {
		list = append(list, member{members.Name(), json.RawMessage(members.Value().Raw())})
	}
	return list
}

func compactJSON(value json.RawMessage) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return string(value)
	}
	return strings.TrimRight(b.String(), "\n")
}

// timeClaims are those that hold a NumericDate (RFC 7519 section 2, OpenID
// Connect Core 1.0 sections 2 and 5.1).
var timeClaims = []string{"exp", "nbf", "iat", "auth_time", "updated_at"}

// maxTime is the end of the year 9999, past which there are no dates.
const maxTime = 253402300799

// timeClaim reads a claim that is a time.
func timeClaim(name string, value json.RawMessage) (time.Time, bool) {
	for _, known := range timeClaims {
		if name == known {
			return numericDate(value)
		}
	}
	return time.Time{}, false
}

func numericDate(value json.RawMessage) (time.Time, bool) {
	var n float64
	if err := json.Unmarshal(value, &n); err != nil || n < 0 || n > maxTime || string(value) == "null" {
		return time.Time{}, false
	}
	return time.Unix(int64(n), 0), true
}

// timeWords says what a time of a claim means now.
func timeWords(name string, t, now time.Time) string {
	past := !now.Before(t)
	switch {
	case name == "exp" && past:
		return "expired " + relative(t, now)
	case name == "exp":
		return "expires " + relative(t, now)
	case name == "nbf" && !past:
		return "not valid yet, but " + relative(t, now)
	case !past:
		return relative(t, now) + ", which is in the future"
	}
	return relative(t, now)
}

// textsOf reads a string, or the strings of an array.
func textsOf(value json.RawMessage) []string {
	var one string
	if json.Unmarshal(value, &one) == nil && string(value) != "null" {
		return []string{one}
	}
	var many []any
	_ = json.Unmarshal(value, &many) // what is neither has no texts
	var texts []string
	for _, v := range many {
		if s, ok := v.(string); ok {
			texts = append(texts, s)
		}
	}
	return texts
}
