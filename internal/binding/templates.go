package binding

import (
	"slices"
	"strings"
)

// Templates finds the template that an issuer fits, among those that were
// added. The zero value has none. What a search costs depends on the templates:
// the issuer, which comes from a token that nobody has verified, is compared at
// the places where one of them has its tenant, and nothing is allocated.
type Templates[V any] struct {
	byPrefix map[string][]filed[V] // by what comes before the tenant
	lengths  []int                 // of the prefixes, each once
}

type filed[V any] struct {
	template string
	value    V
}

// Add files a value under a template.
func (t *Templates[V]) Add(template string, value V) {
	prefix, _, _ := strings.Cut(template, Placeholder)
	if t.byPrefix == nil {
		t.byPrefix = make(map[string][]filed[V])
	}
	t.byPrefix[prefix] = append(t.byPrefix[prefix], filed[V]{template, value})
	if !slices.Contains(t.lengths, len(prefix)) {
		t.lengths = append(t.lengths, len(prefix))
	}
}

// Find returns the value of the template that issuer fits with a tenant that
// allows accepts, or the zero value.
func (t *Templates[V]) Find(issuer string, allows func(v V, tenant string) bool) (v V) {
	for _, n := range t.lengths {
		if len(issuer) < n+GUIDLength || !IsGUID(issuer[n:n+GUIDLength]) {
			continue
		}
		for _, f := range t.byPrefix[issuer[:n]] {
			if tenant, ok := tenantIn(f.template, issuer); ok && allows(f.value, tenant) {
				return f.value
			}
		}
	}
	return v
}
