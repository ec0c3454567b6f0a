// Package binding ties keys to the issuer that published them: a key never
// verifies a token of another issuer. It knows Entra's issuers, whose name has
// a place for the tenant.
package binding

import (
	"errors"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/show"
)

// Placeholder stands for a tenant in the issuer of Entra's discovery documents
// and keys. An issuer with it is a template.
const Placeholder = "{tenantid}"

// Binding is what a key is bound to. A nil one accepts every token.
type Binding struct {
	issuer   string          // exact, or a template
	aliases  []string        // exact; other names of the issuer in tokens
	template bool            // issuer has the placeholder
	tenants  map[string]bool // of a template, in lower case; nil: any
	parent   *Binding        // of one tenant's key: the template, which decides on tenants
}

// New binds to an issuer, which may be a template for these tenants (GUIDs in
// lower case; nil: any), and which tokens may also call by its aliases. It is
// nil for "", no issuer.
func New(issuer string, tenants map[string]bool, aliases ...string) *Binding {
	if issuer == "" {
		return nil
	}
	return &Binding{issuer: issuer, aliases: aliases, template: IsTemplate(issuer), tenants: tenants}
}

// Issuer returns the issuer or the template, "" for a nil Binding.
func (b *Binding) Issuer() string {
	if b == nil {
		return ""
	}
	return b.issuer
}

// Accepts says whether a key may verify a token with this "iss" and "tid". Only
// a template looks at tid.
func (b *Binding) Accepts(iss, tid string) bool {
	switch {
	case b == nil:
		return true
	case b.parent != nil: // by whichever name, tid is the tenant of the key
		return fills(b.parent.issuer, tid, b.issuer) && b.parent.Accepts(iss, tid)
	case !b.template:
		return iss == b.issuer || slices.Contains(b.aliases, iss)
	default:
		return b.Allows(tid) && (fills(b.issuer, tid, iss) || slices.Contains(b.aliases, iss))
	}
}

// Allows says whether a template is for this tenant.
func (b *Binding) Allows(tenant string) bool {
	return IsGUID(tenant) && (b.tenants == nil || b.tenants[strings.ToLower(tenant)])
}

// Check is Accepts with an error that says what was expected. It matches
// golang-jwt's ErrTokenInvalidIssuer, and ErrTokenRequiredClaimMissing without
// an iss.
func (b *Binding) Check(iss, tid string) error {
	if b.Accepts(iss, tid) {
		return nil
	}
	if iss == "" {
		return fault.Invalid("iss claim is missing, want "+b.wanted(), jwt.ErrTokenRequiredClaimMissing, jwt.ErrTokenInvalidIssuer)
	}
	if b.template || b.parent != nil {
		return fault.Invalid("iss "+show.Quote(iss)+" with tid "+show.Quote(tid)+" is not of a tenant allowed for "+show.Own(b.issuer)+": see WithTenants", jwt.ErrTokenInvalidIssuer)
	}
	return fault.Invalid("iss "+show.Differs(iss, append([]string{b.issuer}, b.aliases...)...), jwt.ErrTokenInvalidIssuer)
}

// wanted lists the names that a token may have in "iss".
func (b *Binding) wanted() string {
	return show.OneOfOwn(append([]string{b.issuer}, b.aliases...))
}

// ForKey returns the binding of a key that names an issuer itself, as Entra's
// keys do, or names none. The error says why such a key cannot serve b's issuer.
func (b *Binding) ForKey(issuer string) (*Binding, error) {
	switch {
	case b == nil || issuer == "" || issuer == b.issuer:
		return b, nil
	case IsTemplate(issuer) && !b.template && Fits(issuer, b.issuer):
		return b, nil
	case b.template && Fits(b.issuer, issuer):
		return &Binding{issuer: issuer, parent: b}, nil
	}
	return nil, errors.New("its issuer " + show.Differs(issuer, b.issuer))
}

// IsTemplate says whether an issuer has a place for the tenant.
func IsTemplate(issuer string) bool { return strings.Contains(issuer, Placeholder) }

// Fits says whether issuer is what the template gives for some tenant.
func Fits(template, issuer string) bool {
	_, ok := tenantIn(template, issuer)
	return ok
}

// tenantIn returns the tenant that a template was filled with to give issuer.
func tenantIn(template, issuer string) (tenant string, ok bool) {
	before := strings.Index(template, Placeholder)
	if before < 0 || len(issuer) < before+GUIDLength {
		return "", false
	}
	tenant = issuer[before : before+GUIDLength]
	return tenant, IsGUID(tenant) && fills(template, tenant, issuer)
}

// fills says whether issuer is the template with the tenant in its place: as
// Fill, without a copy.
func fills(template, tenant, issuer string) bool {
	for {
		before, after, more := strings.Cut(template, Placeholder)
		if !more {
			return issuer == template
		}
		rest, ok := strings.CutPrefix(issuer, before)
		if !ok {
			return false
		}
		if issuer, ok = strings.CutPrefix(rest, tenant); !ok {
			return false
		}
		template = after
	}
}

// Fill puts a tenant in its place.
func Fill(template, tenant string) string {
	return strings.ReplaceAll(template, Placeholder, tenant)
}

// GUIDLength is the length of a GUID in bytes.
const GUIDLength = 36

// IsGUID accepts the textual form of RFC 9562 section 4, in either case.
func IsGUID(s string) bool {
	if len(s) != GUIDLength {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f', 'A' <= c && c <= 'F':
		default:
			return false
		}
	}
	return true
}

// Root is what all keys of one client are bound to: of a tenant's key the
// template, else b. A client that is made anew has another one.
func (b *Binding) Root() *Binding {
	if b != nil && b.parent != nil {
		return b.parent
	}
	return b
}

// Governs tells by which names rules apply to a token with this "iss" and "tid"
// under the key: the issuer, "" when the binding does not accept the token, and
// the template that it is a tenant of, "" without one. An alias is not a name
// of its own.
func (b *Binding) Governs(iss, tid string) (issuer, template string) {
	root := b.Root()
	switch {
	case b == nil:
		return "", ""
	case !root.template:
		return b.issuer, ""
	case !b.Accepts(iss, tid):
		return "", root.issuer
	default:
		return Fill(root.issuer, tid), root.issuer
	}
}

// Named returns the issuer that a name stands for: itself where it is the
// issuer, the template or one of its tenants, and the issuer of an alias. It
// reports false for a name that no key is ever bound to.
func (b *Binding) Named(name string) (issuer string, ok bool) {
	switch {
	case b == nil:
		return "", false
	case name == b.issuer || b.template && b.tenantOf(name) != "":
		return name, true
	default:
		return b.issuer, slices.Contains(b.aliases, name)
	}
}

// Yields says whether a token may verify whose "iss" is name.
func (b *Binding) Yields(name string) bool {
	switch {
	case b == nil:
		return true
	case b.template:
		return b.tenantOf(name) != "" || slices.Contains(b.aliases, name)
	default:
		return b.Accepts(name, "")
	}
}

// tenantOf returns the tenant that an issuer of the template names, if it is
// allowed, else "".
func (b *Binding) tenantOf(issuer string) string {
	if tenant, ok := tenantIn(b.issuer, issuer); ok && b.Allows(tenant) {
		return tenant
	}
	return ""
}

// Parts are the names that together stand for all tokens of the binding: the
// issuer, or of a template the issuers of its tenants; nil when those are any.
func (b *Binding) Parts() []string {
	switch {
	case !b.template:
		return []string{b.issuer}
	case b.tenants == nil:
		return nil
	}
	var names []string
	for tenant := range b.tenants {
		names = append(names, Fill(b.issuer, tenant))
	}
	slices.Sort(names)
	return names
}
