package model

import (
	"time"

	"github.com/seed-22400188/jwks"
)

// newer holds what the library does not have yet: nil until it does. The model
// draws and checks these things as soon as they are set.
var newer = struct {
	withMinTTL func(time.Duration) jwks.ClientOption      // jwks.WithMinTTL
	forget     func(*jwks.Issuers, string)                // (*jwks.Issuers).Forget
	changed    func(jwks.Event) []string                  // jwks.Event.Changed
	withStore  func(number int) []jwks.ClientOption       // jwks.WithStore, with the store that replica number shares with the others
	decisions  func(ttl time.Duration) jwks.IssuersOption // jwks.WithDecisionTTL
}{}
