//go:build !go1.27

package jws

import "github.com/golang-jwt/jwt/v5"

// mldsaMethod refuses: crypto/mldsa came with Go 1.27, and without it no key
// set reads an AKP key.
func mldsaMethod(name string) jwt.SigningMethod { return noMethod(name) }

type noMethod string

func (noMethod) Verify(string, []byte, any) error { return jwt.ErrHashUnavailable }
func (noMethod) Sign(string, any) ([]byte, error) { return nil, jwt.ErrHashUnavailable }
func (m noMethod) Alg() string                    { return string(m) }
