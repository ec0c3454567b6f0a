package model

import "github.com/seed-22400188/jwks"

// newer holds what the library does not have yet: nil until it does. The model
// draws and checks these things as soon as they are set.
var newer = struct {
	withStore func(number int) []jwks.ClientOption // jwks.WithStore, with the store that replica number shares with the others
}{}
