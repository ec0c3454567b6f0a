package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"math/big"
	"strings"
)

var errBare = errors.New("the signature does not verify")

// bareCheck is the signature check and nothing else: what no verifier can do
// without. The token was taken apart, hashed and, for ECDSA, turned into the
// form that crypto/ecdsa wants beforehand.
func bareCheck(s *signer, token string) (func() error, error) {
	dot := strings.LastIndexByte(token, '.')
	signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	if err != nil {
		return nil, err
	}
	message := []byte(token[:dot])
	digest := sha256.Sum256(message)
	switch key := s.private.Public().(type) {
	case *rsa.PublicKey:
		return func() error { return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) }, nil
	case *ecdsa.PublicKey:
		der, err := asn1.Marshal([]*big.Int{new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])})
		if err != nil {
			return nil, err
		}
		return func() error {
			if !ecdsa.VerifyASN1(key, digest[:], der) {
				return errBare
			}
			return nil
		}, nil
	case ed25519.PublicKey:
		return func() error {
			if !ed25519.Verify(key, message, signature) {
				return errBare
			}
			return nil
		}, nil
	}
	return nil, errors.New("no bare check for " + s.alg)
}
