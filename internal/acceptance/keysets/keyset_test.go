// Package keysets shows how key sets are read, and which key is chosen for a token.
package keysets

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// realKeySets says what is usable in the documents of corpus/jwks, and why the
// rest is not. A count of -1 means that the document is refused.
var realKeySets = map[string]struct {
	usable  int
	skipped string
}{
	"aad-2013-v1.json":                          {-1, `key_ops`},
	"aad-test-badbase64data.json":               {2, ""},
	"aad-test-badrsadatamissingcomponent.json":  {-1, ""},
	"aad-test-badx509data.json":                 {2, ""},
	"aad-test-end2endec.json":                   {2, `alg "ES521" does not fit`},
	"aad-test-singlex509data.json":              {-1, ""},
	"aad-test-unrecognizedkty.json":             {-1, ""},
	"google-federated-signon-x509-pem-map.json": {-1, `no member "keys"`},
	"keycloak-1024bit.json":                     {-1, "duplicate member"},
	"nov-with-private-key.json":                 {1, ""},
	"battle-net.json":                           {2, ""},
	"paypal.json":                               {14, "X25519"},
	"yahoo.json":                                {1, "1024 bits"},
	"keycloak.json":                             {1, `use "enc"`},
	"itsme-example-rp.json":                     {1, `use "enc"`},
	"apple.json":                                {3, ""},
	"auth0.json":                                {2, ""},
	"azure-tenant.json":                         {10, ""},
	"cognito.json":                              {2, ""},
	"discord.json":                              {1, ""},
	"docker.json":                               {2, ""},
	"dropbox.json":                              {1, ""},
	"entra-common.json":                         {7, ""},
	"entra-organizations.json":                  {6, ""},
	"facebook.json":                             {2, ""},
	"github-actions.json":                       {4, ""},
	"gitlab.json":                               {2, ""},
	"google-2022.json":                          {2, ""},
	"google-2024.json":                          {2, ""},
	"google.json":                               {2, ""},
	"k8s-oidc-callout.json":                     {13, ""},
	"klarna.json":                               {4, ""},
	"lego.json":                                 {5, ""},
	"mojeid.json":                               {1, ""},
	"nov-no-kid.json":                           {1, ""},
	"okta.json":                                 {2, ""},
	"onelogin.json":                             {1, ""},
	"pingfederate-pinglabs.json":                {3, ""},
	"slack.json":                                {1, ""},
	"smart-health-card-jerryville.json":         {1, ""},
	"spotify.json":                              {3, ""},
	"twitch.json":                               {1, ""},
	"vault.json":                                {2, ""},
	"verimi.json":                               {2, ""},
}

func TestKeySet_RealDocuments(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(testkit.SharedDir(t, "corpus"), "jwks", "*.json"))
	if err != nil || len(files) < 40 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			want, ok := realKeySets[name]
			if !ok {
				t.Fatal("a document that the table does not know")
			}
			document, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			set, err := jwks.ParseKeySet(document)
			if want.usable < 0 {
				if !errors.Is(err, jwks.ErrInvalidKeySet) || !strings.Contains(err.Error(), want.skipped) {
					t.Fatalf("got %v, want ErrInvalidKeySet with %q", err, want.skipped)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if set.Len() != want.usable {
				t.Errorf("%d usable, want %d; skipped %v", set.Len(), want.usable, set.Skipped())
			}
			for _, skipped := range set.Skipped() {
				if want.skipped == "" || !strings.Contains(skipped.Err.Error(), want.skipped) {
					t.Errorf("entry %d skipped for %q, want %q", skipped.Index, skipped.Err, want.skipped)
				}
			}
		})
	}
}

func TestKeySet_KeyAccessors(t *testing.T) {
	set := testkit.ParseKeySet(t, `{"keys":[{`+testkit.Ed25519Members+`,"kid":"ed","use":"sig","alg":"EdDSA"},{`+testkit.P256Members+`,"kid":"ec"}]}`)
	ed, ok := set.Key("ed")
	if !ok {
		t.Fatal("no key ed")
	}
	if ed.ID() != "ed" || ed.Type() != "OKP" || ed.Use() != "sig" || ed.Issuer() != "" || !slices.Equal(ed.Algorithms(), []string{"EdDSA", "Ed25519"}) {
		t.Errorf("got %q %q %q %q %q", ed.ID(), ed.Type(), ed.Use(), ed.Issuer(), ed.Algorithms())
	}
	if _, ok := ed.Public().(ed25519.PublicKey); !ok {
		t.Errorf("Public is a %T", ed.Public())
	}
	// RFC 8037 appendix A.3.
	if got, want := ed.Thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"; got != want {
		t.Errorf("thumbprint %s, want %s", got, want)
	}
	ec, _ := set.Key("ec")
	if _, ok := ec.Public().(*ecdsa.PublicKey); !ok || !slices.Equal(ec.Algorithms(), []string{"ES256"}) || ec.Use() != "" {
		t.Errorf("got %T %q %q", ec.Public(), ec.Algorithms(), ec.Use())
	}
	if _, ok := set.Key("nope"); ok {
		t.Error("found a key that is not there")
	}
	if set.Len() != 2 || !slices.Equal(testkit.KeyIDs(set), []string{"ed", "ec"}) {
		t.Errorf("keys %q", testkit.KeyIDs(set))
	}
}

func TestKeySet_ThumbprintOfRFC7638(t *testing.T) {
	// RFC 7638 section 3.1.
	set := testkit.ParseKeySet(t, `{"keys":[{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}]}`)
	k, _ := set.Key("2011-04-29")
	if got, want := k.Thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestKeySet_KeysAreImmutable(t *testing.T) {
	set := testkit.ParseKeySet(t, `{"keys":[{`+testkit.P256Members+`,"kid":"ec","alg":"ES256"}]}`)
	k, _ := set.Key("ec")
	before := k.Thumbprint()
	k.Public().(*ecdsa.PublicKey).X = big.NewInt(1)
	k.JWK().Key.(*ecdsa.PublicKey).X.SetInt64(1)
	k.Algorithms()[0] = "none"
	if after := k.Thumbprint(); after != before || !slices.Equal(k.Algorithms(), []string{"ES256"}) {
		t.Errorf("the key changed: %s, %q", after, k.Algorithms())
	}
}

func TestKeySet_RoundTrip(t *testing.T) {
	set := testkit.ParseKeySet(t, `{"keys":[{`+testkit.Ed25519Members+`,"kid":"ed","use":"sig","alg":"EdDSA","x5t":"t1","x5t#S256":"t2"},{`+testkit.P256Members+`},{"kty":"oct","k":"AA"}]}`)
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	again := testkit.ParseKeySet(t, string(text))
	if again.Len() != 2 || len(again.Skipped()) != 0 {
		t.Fatalf("%d keys, skipped %v in %s", again.Len(), again.Skipped(), text)
	}
	for _, h := range []jwks.Header{{Algorithm: "EdDSA", X5tS256: "t2"}, {Algorithm: "Ed25519", X5t: "t1"}, {Algorithm: "EdDSA", KeyID: "ed"}, {Algorithm: "ES256"}} {
		keys, err := again.SigningKeys(context.Background(), h, "")
		if err != nil || len(keys) != 1 {
			t.Errorf("%+v: %d keys, %v", h, len(keys), err)
		}
	}
	if text, err := json.Marshal(&jwks.KeySet{}); err != nil || string(text) != `{"keys":[]}` {
		t.Errorf("the empty set is %s, %v", text, err)
	}
}

func TestKeySet_RepeatedEntries(t *testing.T) {
	ed := `{` + testkit.Ed25519Members + `,"kid":"a"}`
	set := testkit.ParseKeySet(t, `{"keys":[`+ed+`,`+ed+`,{`+testkit.Ed25519Members+`,"kid":"b"},{`+testkit.P256Members+`,"kid":"a"}]}`)
	if got := testkit.KeyIDs(set); !slices.Equal(got, []string{"a", "b", "a"}) {
		t.Errorf("keys %q", got)
	}
	if len(set.Skipped()) != 1 || set.Skipped()[0].Index != 1 || set.Skipped()[0].KeyID != "a" {
		t.Errorf("skipped %v", set.Skipped())
	}
	for alg, kind := range map[string]string{"EdDSA": "OKP", "ES256": "EC"} {
		keys, err := set.SigningKeys(context.Background(), jwks.Header{Algorithm: alg, KeyID: "a"}, "")
		if err != nil || len(keys) != 1 || keys[0].Type() != kind {
			t.Errorf("%s: %v, %v", alg, keys, err)
		}
	}
}

func TestKeySet_SkippedEntries(t *testing.T) {
	set := testkit.ParseKeySet(t, `{"keys":[{"kty":"oct","kid":"s","k":"c2VjcmV0"},{`+testkit.Ed25519Members+`,"kid":"ok"},7,{`+testkit.Ed25519Members+`,"kid":7},{`+testkit.Ed25519Members+`,"kid":"twice","kid":"twice"},{`+testkit.Ed25519Members+`,"kid":"enc","use":"x"}]}`)
	want := []struct {
		index int
		kid   string
	}{{0, "s"}, {2, ""}, {3, ""}, {4, "twice"}, {5, "enc"}}
	got := set.Skipped()
	if len(got) != len(want) {
		t.Fatalf("skipped %v", got)
	}
	for i, w := range want {
		if got[i].Index != w.index || got[i].KeyID != w.kid || got[i].Err == nil {
			t.Errorf("skipped %+v, want index %d, kid %q", got[i], w.index, w.kid)
		}
		if strings.Contains(got[i].Err.Error(), "c2VjcmV0") {
			t.Errorf("the reason shows key material: %v", got[i].Err)
		}
	}
}

func TestKeySet_EntryLimit(t *testing.T) {
	entries := strings.Repeat(`{"kty":"x"},`, 999) + `{` + testkit.Ed25519Members + `}`
	if set := testkit.ParseKeySet(t, `{"keys":[`+entries+`]}`); set.Len() != 1 || len(set.Skipped()) != 999 {
		t.Errorf("1000 entries: %d keys, %d skipped", set.Len(), len(set.Skipped()))
	}
	if _, err := jwks.ParseKeySet([]byte(`{"keys":[{"kty":"x"},` + entries + `]}`)); !errors.Is(err, jwks.ErrInvalidKeySet) {
		t.Errorf("1001 entries: %v", err)
	}
}
