package jwkshttp

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"
)

// ResourceMetadata is the metadata of a protected resource (RFC 9728 section
// 2). All fields except Resource are optional, and empty or false ones are left
// out of the document (RFC 9728 section 3.2).
type ResourceMetadata struct {
	// Resource is the resource identifier: an https URL without a fragment.
	Resource string `json:"resource"`
	// AuthorizationServers are the issuers whose tokens the resource accepts.
	AuthorizationServers []string `json:"authorization_servers,omitempty"`
	// JWKSURI is where the resource's own public keys are, not its issuers'.
	JWKSURI string `json:"jwks_uri,omitempty"`
	// ScopesSupported are the scopes that requests to the resource use.
	ScopesSupported []string `json:"scopes_supported,omitempty"`
	// BearerMethodsSupported are the ways to send a token (RFC 6750 section
	// 2): "header", "body", "query". Middleware reads only the header by default.
	BearerMethodsSupported []string `json:"bearer_methods_supported,omitempty"`
	// ResourceSigningAlgValuesSupported are the algorithms of signed responses.
	ResourceSigningAlgValuesSupported []string `json:"resource_signing_alg_values_supported,omitempty"`
	// ResourceName is for people to read.
	ResourceName string `json:"resource_name,omitempty"`
	// ResourceDocumentation is the URL of the developers' documentation.
	ResourceDocumentation string `json:"resource_documentation,omitempty"`
	// ResourcePolicyURI is the URL of the rules for using the data.
	ResourcePolicyURI string `json:"resource_policy_uri,omitempty"`
	// ResourceTOSURI is the URL of the terms of service.
	ResourceTOSURI string `json:"resource_tos_uri,omitempty"`
	// TLSClientCertificateBoundAccessTokens says that the resource supports tokens
	// bound to a client certificate (RFC 8705).
	TLSClientCertificateBoundAccessTokens bool `json:"tls_client_certificate_bound_access_tokens,omitempty"`
	// AuthorizationDetailsTypesSupported are the types of authorization details that
	// the resource understands (RFC 9396).
	AuthorizationDetailsTypesSupported []string `json:"authorization_details_types_supported,omitempty"`
	// DPoPSigningAlgValuesSupported are the algorithms of DPoP proofs (RFC 9449).
	DPoPSigningAlgValuesSupported []string `json:"dpop_signing_alg_values_supported,omitempty"`
	// DPoPBoundAccessTokensRequired says that the resource accepts only tokens bound
	// to a DPoP key (RFC 9449).
	DPoPBoundAccessTokensRequired bool `json:"dpop_bound_access_tokens_required,omitempty"`
	// SignedMetadata is a JWT with the same metadata (RFC 9728 section 2.2).
	SignedMetadata string `json:"signed_metadata,omitempty"`
}

// ResourceMetadataHandler serves m as it is now; later changes of m have no effect. Mount it
// at /.well-known/oauth-protected-resource, followed by the resource's path if it has one
// (RFC 9728 section 3), and make it reachable without a token. It answers GET and HEAD
// with the document and OPTIONS with 204, for pages of any origin (Access-Control-Allow-
// Origin: *), and everything else with 405. The answer has an ETag and may be
// cached for an hour.
//
// It panics if Resource is not an absolute URL.
func ResourceMetadataHandler(m ResourceMetadata) http.Handler {
	if !isAbsolute(m.Resource) {
		panic("jwkshttp: ResourceMetadataHandler: Resource is no absolute URL")
	}
	document, err := json.Marshal(m)
	if err != nil {
		panic("jwkshttp: ResourceMetadataHandler: " + err.Error()) // cannot be: strings and bools
	}
	sum := sha256.Sum256(document)
	etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			h.Set("Access-Control-Allow-Origin", "*")
			h.Set("Content-Type", "application/json")
			h.Set("Cache-Control", "public, max-age=3600")
			h.Set("ETag", etag)
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(document))
		case http.MethodOptions:
			h.Set("Access-Control-Allow-Origin", "*")
			h.Set("Access-Control-Allow-Methods", allowedMethods)
			h.Set("Access-Control-Allow-Headers", "*")
			h.Set("Allow", allowedMethods)
			w.WriteHeader(http.StatusNoContent)
		default:
			h.Set("Allow", allowedMethods)
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		}
	})
}

const allowedMethods = "GET, HEAD, OPTIONS"
