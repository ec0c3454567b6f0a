package jwks

import (
	"errors"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// tenantPlaceholder stands for a tenant in the issuer of Entra's discovery
// documents and keys.
const tenantPlaceholder = "{tenantid}"

// binding ties keys to the issuer that published them. A key never verifies a
// token of another one.
type binding struct {
	issuer   string          // exact, or a template
	template bool            // issuer holds the placeholder
	tenants  map[string]bool // lower case; nil: any
	tenant   *binding        // for one tenant's key under a template: the template, which decides on tenants
}

// newBinding is nil for "", no issuer.
func newBinding(issuer string, tenants map[string]bool) *binding {
	if issuer == "" {
		return nil
	}
	return &binding{issuer: issuer, template: isTemplate(issuer), tenants: tenants}
}

func isTemplate(issuer string) bool { return strings.Contains(issuer, tenantPlaceholder) }

// accepts says whether a token with this "iss" and "tid" may be verified by
// keys bound to b. tid matters to templates only.
func (b *binding) accepts(iss, tid string) bool {
	switch {
	case b == nil:
		return true
	case b.tenant != nil:
		return iss == b.issuer && b.tenant.accepts(iss, tid)
	case !b.template:
		return iss == b.issuer
	default:
		return b.allows(tid) && fill(b.issuer, tid) == iss
	}
}

// allows says whether a template is for this tenant.
func (b *binding) allows(tid string) bool {
	return isGUID(tid) && (b.tenants == nil || b.tenants[strings.ToLower(tid)])
}

// check is accepts with an error that names what was expected.
func (b *binding) check(iss, tid string) error {
	if b.accepts(iss, tid) {
		return nil
	}
	if iss == "" {
		return invalid("iss claim is missing, want "+quote(b.issuer), jwt.ErrTokenRequiredClaimMissing, jwt.ErrTokenInvalidIssuer)
	}
	if b.template || b.tenant != nil {
		return invalid("iss "+quote(iss)+" with tid "+quote(tid)+" is not of a tenant allowed for "+quote(b.issuer), jwt.ErrTokenInvalidIssuer)
	}
	return invalid("iss is "+quote(iss)+", want "+quote(b.issuer), jwt.ErrTokenInvalidIssuer)
}

// forKey is the binding of a key that names its own issuer, as Entra's do. The
// error says why such a key is unusable for b's issuer.
func (b *binding) forKey(own string) (*binding, error) {
	switch {
	case b == nil || own == "" || own == b.issuer:
		return b, nil
	case isTemplate(own) && !b.template && fits(own, b.issuer):
		return b, nil
	case b.template && fits(b.issuer, own):
		return &binding{issuer: own, tenant: b}, nil
	}
	return nil, errors.New("issuer " + quote(own) + " is not " + quote(b.issuer))
}

// fits says whether issuer is what the template gives for some tenant.
func fits(template, issuer string) bool {
	before, _, ok := strings.Cut(template, tenantPlaceholder)
	if !ok || len(issuer) < len(before)+guidLength {
		return false
	}
	tenant := issuer[len(before) : len(before)+guidLength]
	return isGUID(tenant) && fill(template, tenant) == issuer
}

func fill(template, tenant string) string {
	return strings.ReplaceAll(template, tenantPlaceholder, tenant)
}

const guidLength = 36

// isGUID accepts the textual form of RFC 9562 section 4, in either case.
func isGUID(s string) bool {
	if len(s) != guidLength {
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
