package jwks

// Short names for what moved to packages under internal, for the files that
// still use them.

import (
	"time"

	issuerbinding "github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/jws"
	"github.com/seed-22400188/jwks/internal/show"
)

type binding = issuerbinding.Binding

const (
	tenantPlaceholder = issuerbinding.Placeholder
	guidLength        = issuerbinding.GUIDLength
	algUnknown        = jws.Unknown
	maxListed         = show.MaxListed
)

func newBinding(issuer string, tenants map[string]bool) *binding {
	return issuerbinding.New(issuer, tenants)
}
func isTemplate(issuer string) bool            { return issuerbinding.IsTemplate(issuer) }
func fits(template, issuer string) bool        { return issuerbinding.Fits(template, issuer) }
func fill(template, tenant string) string      { return issuerbinding.Fill(template, tenant) }
func isGUID(s string) bool                     { return issuerbinding.IsGUID(s) }
func algorithmNamed(name string) jws.Algorithm { return jws.Named(name) }

func invalid(text string, reasons ...error) error     { return fault.Invalid(text, reasons...) }
func unavailable(text string, reasons ...error) error { return fault.Unavailable(text, reasons...) }

func quote(s string) string               { return show.Quote(s) }
func showURL(raw string) string           { return show.URL(raw) }
func round(d time.Duration) time.Duration { return show.Round(d) }
func count(n int, noun string) string     { return show.Count(n, noun) }

func (s *KeySet) append(key *Key) { s.insert(key) }
