package jwks_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks"
)

// manifestEntry is one line of testdata/hostile/manifest.json.
type manifestEntry struct {
	File       string   `json:"file"`
	Expect     string   `json:"expect"`
	UsableKids []string `json:"usable_kids"`
	Why        string   `json:"why"`
}

func readManifest(t *testing.T, dir string) []manifestEntry {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Entries []manifestEntry `json:"entries"`
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	if len(manifest.Entries) < 90 {
		t.Fatalf("the manifest has %d entries, want at least 90", len(manifest.Entries))
	}
	return manifest.Entries
}

// sharedCorpus is the folder of documents that real issuers published. They
// are not ours to copy.
func sharedCorpus(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join("..", "shared", name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the corpus of real documents is not beside this checkout: %v", err)
	}
	return dir
}

// unstored makes the documents that are too large to keep in the repository.
func unstored(t *testing.T, name string) ([]byte, bool) {
	good := `{"kty":"OKP","crv":"Ed25519","kid":"%s","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	switch name {
	case "191-very-long-unknown-string.json":
		return fmt.Appendf(nil, `{"keys":[`+good+`],"x":"%s"}`, "rsa-good", strings.Repeat("A", 300_000)), true
	case "034-deep-nesting-100k.json":
		return []byte(`{"keys":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`), true
	case "035-deep-nesting-objects-20k.json":
		return []byte(`{"keys":[` + strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000) + `]}`), true
	case "073-10k-keys-trimmed.json", "gen-10k-ed25519":
		return []byte(`{"keys":[` + strings.Repeat(`{"kty":"x"},`, 10_000) + fmt.Sprintf(good, "late") + `]}`), true
	case "gen-50MB-string":
		return []byte(`{"keys":[],"x":"` + strings.Repeat("A", 50_000_000) + `"}`), true
	case "gen-gzip-bomb":
		return []byte(strings.Repeat(" ", 100_000_000) + `{"keys":[]}`), true
	case "gen-slowloris", "gen-endless-whitespace", "gen-short-content-length":
		return nil, false // of the transport: see the client's tests
	}
	t.Helper()
	t.Fatalf("no document %s", name)
	return nil, false
}

func kidsOf(s *jwks.KeySet) []string {
	kids := []string{}
	for k := range s.All() {
		kids = append(kids, k.ID())
	}
	return kids
}

func TestHostileDocumentsComeOutAsTheManifestSays(t *testing.T) {
	check := func(t *testing.T, dir string) {
		for _, entry := range readManifest(t, dir) {
			t.Run(entry.File, func(t *testing.T) {
				document, err := os.ReadFile(filepath.Join(dir, entry.File))
				if errors.Is(err, os.ErrNotExist) {
					made, ok := unstored(t, entry.File)
					if !ok {
						return
					}
					document = made
				} else if err != nil {
					t.Fatal(err)
				}
				checkHostile(t, entry, document)
			})
		}
	}
	t.Run("ours", func(t *testing.T) { check(t, filepath.Join("testdata", "hostile")) })
	t.Run("shared", func(t *testing.T) { check(t, filepath.Join(sharedCorpus(t, "corpus"), "hostile")) })
}

func checkHostile(t *testing.T, entry manifestEntry, document []byte) {
	t.Helper()
	set, err := jwks.ParseKeySet(document)
	if entry.Expect == "reject_document" {
		if !errors.Is(err, jwks.ErrInvalidKeySet) || !errors.Is(err, jwks.ErrUnavailable) || errors.Is(err, jwks.ErrTokenInvalid) {
			t.Fatalf("got %v, want ErrInvalidKeySet of class ErrUnavailable: %s", err, entry.Why)
		}
		if set != nil {
			t.Error("a set came with the error")
		}
		if text := err.Error(); strings.ContainsAny(text, "\n\r") || len(text) > 400 {
			t.Errorf("the error is no single short line: %q", text)
		}
		return
	}
	if err != nil {
		t.Fatalf("refused: %v; want %q: %s", err, entry.UsableKids, entry.Why)
	}
	want := slices.Clone(entry.UsableKids)
	got := kidsOf(set)
	if entry.File == "055-akp-mldsa.json" { // usable where the toolchain has crypto/mldsa
		got = slices.DeleteFunc(got, func(kid string) bool { return kid != "rsa-good" })
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("usable %q, want %q: %s\nskipped: %v", got, want, entry.Why, set.Skipped())
	}
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(document, &raw); err == nil && entry.File != "038-keys-and-KEYS.json" {
		if set.Len()+len(set.Skipped()) != len(raw.Keys) {
			t.Errorf("%d keys and %d skipped of %d entries: each entry left out needs a reason", set.Len(), len(set.Skipped()), len(raw.Keys))
		}
	}
	for _, skipped := range set.Skipped() {
		if skipped.Err == nil || strings.ContainsAny(skipped.Err.Error(), "\n\r") {
			t.Errorf("entry %d: reason %v", skipped.Index, skipped.Err)
		}
	}
}

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
	"aad-test-end2endec.json":                   {-1, ""},
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

func TestRealKeySetsAreRead(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(sharedCorpus(t, "corpus"), "jwks", "*.json"))
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

const (
	edX  = `"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"`                                                // RFC 8037 appendix A.2
	ecXY = `"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"` // RFC 7517 appendix A.1
)

func mustParse(t testing.TB, document string) *jwks.KeySet {
	t.Helper()
	set, err := jwks.ParseKeySet([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestKeyTellsWhatWasPublished(t *testing.T) {
	set := mustParse(t, `{"keys":[{`+edX+`,"kid":"ed","use":"sig","alg":"EdDSA"},{`+ecXY+`,"kid":"ec"}]}`)
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
	if set.Len() != 2 || !slices.Equal(kidsOf(set), []string{"ed", "ec"}) {
		t.Errorf("keys %q", kidsOf(set))
	}
}

func TestThumbprintOfRFC7638(t *testing.T) {
	// RFC 7638 section 3.1.
	set := mustParse(t, `{"keys":[{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}]}`)
	k, _ := set.Key("2011-04-29")
	if got, want := k.Thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWhatAKeyHandsOutCannotChangeIt(t *testing.T) {
	set := mustParse(t, `{"keys":[{`+ecXY+`,"kid":"ec","alg":"ES256"}]}`)
	k, _ := set.Key("ec")
	before := k.Thumbprint()
	k.Public().(*ecdsa.PublicKey).X = big.NewInt(1)
	k.JWK().Key.(*ecdsa.PublicKey).X.SetInt64(1)
	k.Algorithms()[0] = "none"
	if after := k.Thumbprint(); after != before || !slices.Equal(k.Algorithms(), []string{"ES256"}) {
		t.Errorf("the key changed: %s, %q", after, k.Algorithms())
	}
}

func TestAKeySetSurvivesBeingWrittenAndRead(t *testing.T) {
	set := mustParse(t, `{"keys":[{`+edX+`,"kid":"ed","use":"sig","alg":"EdDSA","x5t":"t1","x5t#S256":"t2"},{`+ecXY+`},{"kty":"oct","k":"AA"}]}`)
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	again := mustParse(t, string(text))
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

func TestAnEntryThatRepeatsAnotherIsOneKey(t *testing.T) {
	ed := `{` + edX + `,"kid":"a"}`
	set := mustParse(t, `{"keys":[`+ed+`,`+ed+`,{`+edX+`,"kid":"b"},{`+ecXY+`,"kid":"a"}]}`)
	if got := kidsOf(set); !slices.Equal(got, []string{"a", "b", "a"}) {
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

func TestSkippedEntriesCarryTheirPlaceAndKid(t *testing.T) {
	set := mustParse(t, `{"keys":[{"kty":"oct","kid":"s","k":"c2VjcmV0"},{`+edX+`,"kid":"ok"},7,{`+edX+`,"kid":null},{`+edX+`,"kid":"twice","kid":"twice"},{`+edX+`,"kid":"enc","use":""}]}`)
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

func TestTheLimitOfEntriesIsExact(t *testing.T) {
	entries := strings.Repeat(`{"kty":"x"},`, 999) + `{` + edX + `}`
	if set := mustParse(t, `{"keys":[`+entries+`]}`); set.Len() != 1 || len(set.Skipped()) != 999 {
		t.Errorf("1000 entries: %d keys, %d skipped", set.Len(), len(set.Skipped()))
	}
	if _, err := jwks.ParseKeySet([]byte(`{"keys":[{"kty":"x"},` + entries + `]}`)); !errors.Is(err, jwks.ErrInvalidKeySet) {
		t.Errorf("1001 entries: %v", err)
	}
}
