package dpop

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"sync/atomic"
	"time"
)

// nonces are those of section 9. The nonce of a period is a MAC of the period's
// number, so that it can be made again instead of being kept.
type nonces struct {
	mac   func() hash.Hash // keyed; a function, because fmt prints fields, whoever holds them
	every time.Duration
	made  atomic.Pointer[period]
}

// period holds the nonces that are valid in a period.
type period struct {
	number        int64
	current, last string
}

func newNonces(secret []byte, every time.Duration) *nonces {
	return &nonces{mac: func() hash.Hash { return hmac.New(sha256.New, secret) }, every: every}
}

// current is the nonce to give out.
func (n *nonces) current(now time.Time) string { return n.at(now).current }

// check says whether a nonce is valid, and whether it is of the last period.
func (n *nonces) check(now time.Time, nonce string) (valid, last bool) {
	p := n.at(now)
	if subtle.ConstantTimeCompare([]byte(nonce), []byte(p.current)) == 1 {
		return true, false
	}
	last = subtle.ConstantTimeCompare([]byte(nonce), []byte(p.last)) == 1
	return last, last
}

func (n *nonces) at(now time.Time) *period {
	number := now.UnixNano() / int64(n.every)
	if p := n.made.Load(); p != nil && p.number == number {
		return p
	}
	p := &period{number, n.make(number), n.make(number - 1)}
	n.made.Store(p)
	return p
}

func (n *nonces) make(number int64) string {
	mac := n.mac()
	mac.Write(binary.BigEndian.AppendUint64([]byte("DPoP nonce "), uint64(number)))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
