package main

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/jwk"
	"github.com/seed-22400188/jwks/internal/strictjson"
)

// maxEntries is how many keys a set may have, that of the library.
const maxEntries = 1000

// entry is one key of a document, or why it is not usable.
type entry struct {
	Index      int      `json:"index"`
	KeyID      string   `json:"kid"`
	Type       string   `json:"type,omitempty"`
	Bits       int      `json:"bits,omitempty"`
	Curve      string   `json:"curve,omitempty"`
	Algorithms []string `json:"algorithms,omitempty"`
	Use        string   `json:"use,omitempty"`
	Thumbprint string   `json:"thumbprint,omitempty"`
	Usable     bool     `json:"usable"`
	Reason     string   `json:"reason,omitempty"` // why it is not usable

	err error
}

// kind is the type and size of a key: "RSA 2048", "EC P-256".
func (e *entry) kind() string {
	switch {
	case e.Bits > 0:
		return e.Type + " " + strconv.Itoa(e.Bits)
	case e.Curve != "":
		return e.Type + " " + e.Curve
	}
	return e.Type
}

// document is what a document of an issuer is, as far as it can be told.
type document struct {
	issuer, jwksURI string
	hasKeys         bool // it is a key set
	isObject        bool
}

// readDocument tells a key set from a discovery document.
func readDocument(body []byte) document {
	var d document
	members := strictjson.Object(string(strictjson.TrimBOM(body)))
	members.AllowDuplicates()
	for members.Next() {
		switch v := members.Value(); members.Name() {
		case "keys":
			d.hasKeys = v.Kind() == strictjson.Array
		case "issuer":
			d.issuer, _ = v.OptionalText()
		case "jwks_uri":
			d.jwksURI, _ = v.OptionalText()
		case "jwks_url":
			if text, _ := v.OptionalText(); d.jwksURI == "" {
				d.jwksURI = text
			}
		}
	}
	d.isObject = members.Err() == nil
	return d
}

var errNotKeys = errors.New(`it is neither a key set, which is a JSON object with an array "keys", nor PEM`)

// readEntries reads every key of a key set or of a PEM document, usable or not.
// Unlike a client, which needs one usable key, it shows a set that has none.
func readEntries(body []byte) ([]entry, error) {
	var list []entry
	if jwk.IsPEM(body) {
		blocks, err := jwk.FromPEM(body, maxEntries)
		if err != nil {
			return nil, err
		}
		for i, block := range blocks {
			e := entry{Index: i, err: block.Err}
			if block.Err == nil {
				e = readEntry(i, block.JWK)
			}
			list = append(list, e.finish())
		}
		return list, nil
	}
	var keys strictjson.Value
	members := strictjson.Object(string(strictjson.TrimBOM(body)))
	for members.Next() {
		if members.Name() == "keys" {
			keys = members.Value()
		}
	}
	if err := members.Err(); err != nil || keys.Kind() != strictjson.Array {
		if err != nil && readDocument(body).hasKeys {
			return nil, err // such as a member that is there twice
		}
		return nil, errNotKeys
	}
	for elements := keys.Elements(); elements.Next(); {
		if len(list) == maxEntries {
			return nil, fmt.Errorf("it has more than %d keys", maxEntries)
		}
		e := readEntry(len(list), elements.Value().Raw())
		list = append(list, e.finish())
	}
	return list, nil
}

// readEntry reads one JWK.
func readEntry(index int, text string) entry {
	elements := arrayOf(text)
	elements.Next()
	key, kid, err := jwk.Parse(elements.Value())
	e := entry{Index: index, KeyID: kid, err: err}
	if err != nil {
		return e
	}
	e.Type, e.Curve, e.Use, e.Algorithms = key.Type, key.Curve, key.Use, key.Algorithms
	switch public := key.Public.(type) {
	case *rsa.PublicKey:
		e.Bits = public.N.BitLen()
	case *ecdsa.PublicKey:
		e.Curve = public.Curve.Params().Name
	}
	if set, err := jwks.NewKeySet(jwks.PublicKey{Key: key.Public}); err == nil {
		for k := range set.All() {
			e.Thumbprint = k.Thumbprint()
		}
	}
	return e
}

// arrayOf makes a value of one JSON text.
func arrayOf(text string) strictjson.Elements {
	members := strictjson.Object(`{"":[` + text + `]}`)
	members.Next()
	return members.Value().Elements()
}

func (e entry) finish() entry {
	if e.Usable = e.err == nil; !e.Usable {
		e.Reason = e.err.Error()
	}
	return e
}

func usable(entries []entry) int {
	n := 0
	for _, e := range entries {
		if e.Usable {
			n++
		}
	}
	return n
}

// entryTable is the table of jwks keys.
func entryTable(entries []entry) string {
	rows := [][]string{{"KID", "TYPE", "ALGORITHMS", "USE", "THUMBPRINT"}}
	for i := range entries {
		e := &entries[i]
		kid := "(none)"
		if e.KeyID != "" {
			kid = cut(printable(e.KeyID), 64)
		}
		if !e.Usable {
			rows = append(rows, []string{kid, "not usable: " + e.Reason})
			continue
		}
		use := "-"
		if e.Use != "" {
			use = e.Use
		}
		rows = append(rows, []string{kid, e.kind(), strings.Join(e.Algorithms, ","), use, e.Thumbprint})
	}
	return column(rows, "")
}
