package jwkstest

import (
	"bytes"
	"fmt"
	"time"
)

// Fault is a way to misbehave, for [Issuer.SetFault] and [Issuer.SetJWKSFault].
// The zero value is [None].
type Fault struct {
	kind   faultKind
	status int
	delay  time.Duration
	body   []byte
	url    string
}

type faultKind uint8

const (
	faultNone faultKind = iota
	faultStatus
	faultDelay
	faultBody
	faultHang
	faultDrop
	faultRedirect
)

// None is no fault: it ends the fault that was set before.
func None() Fault { return Fault{} }

// Status answers every request with this status code and a short JSON object
// that is neither a discovery document nor a key set. A code outside 200 to 599
// panics.
func Status(code int) Fault {
	if code < 200 || code > 599 {
		panic(fmt.Sprintf("jwkstest: Status: want a code from 200 to 599, not %d", code))
	}
	return Fault{kind: faultStatus, status: code}
}

// Delay answers as usual after d, with the keys that the issuer has by then. It waits
// on the clock of package time, which a testing/synctest bubble fakes, and no
// longer than the request's context.
func Delay(d time.Duration) Fault { return Fault{kind: faultDelay, delay: d} }

// Body answers 200 with these bytes as the document, and without an ETag: for a
// broken document, or one with keys of your own. The bytes are not checked.
func Body(document []byte) Fault { return Fault{kind: faultBody, body: bytes.Clone(document)} }

// Hang accepts the request and never answers. It ends with the request's context,
// or with [Issuer.Close].
func Hang() Fault { return Fault{kind: faultHang} }

// DropConnection closes the connection without an answer. The request fails
// with an error that matches [io.ErrUnexpectedEOF] in memory, and with what the HTTP
// client makes of a closed connection on a socket.
func DropConnection() Fault { return Fault{kind: faultDrop} }

// Redirect answers 302 with url, which may be relative, as its Location (RFC
// 9110 section 15.4.3). The url is not checked. A redirect to the issuer's
// own document is a loop as long as the fault lasts.
func Redirect(url string) Fault { return Fault{kind: faultRedirect, url: url} }

// SetFault makes requests for both documents, the discovery document and the key set, be
// answered with f until the next call. Default: [None].
func (i *Issuer) SetFault(f Fault) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fault = f
}

// SetJWKSFault makes requests for the key set be answered with f until the next call,
// whatever [Issuer.SetFault] says. After [None] the key set follows SetFault again.
func (i *Issuer) SetJWKSFault(f Fault) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.jwksFault = f
}

// SetCacheControl sets the Cache-Control header (RFC 9111 section 5.2) of every
// answer for the two documents, including a fault's, since a gateway adds it to
// errors too. The default is none, as with the value "".
func (i *Issuer) SetCacheControl(value string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.cacheControl = value
}
