package jwk

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/seed-22400188/jwks/internal/strictjson"
)

// usable reads the entries of a document and returns the kids of those that
// make a key, with the reasons for the others. It is not a key set: whether the
// document as a whole is acceptable is decided elsewhere. ok is false when
// there is no array of keys to read.
func usable(document []byte) (kids, reasons []string, ok bool) {
	var keys strictjson.Value
	top := strictjson.Object(string(strictjson.TrimBOM(document)))
	for top.Next() {
		if top.Name() == "keys" {
			keys = top.Value()
		}
	}
	if top.Err() != nil || keys.Kind() != strictjson.Array {
		return nil, nil, false
	}
	for entries := keys.Elements(); entries.Next(); {
		k, kid, err := Parse(entries.Value())
		if err != nil {
			reasons = append(reasons, kid+": "+err.Error())
		} else {
			kids = append(kids, k.ID)
		}
	}
	return kids, reasons, true
}

func TestHostileCorpus(t *testing.T) {
	t.Run("ours", func(t *testing.T) {
		checkHostile(t, func(t *testing.T, name string) []byte {
			b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "hostile", name))
			if errors.Is(err, os.ErrNotExist) {
				t.Skipf("too large to be stored: %s", name)
			}
			if err != nil {
				t.Fatal(err)
			}
			return b
		})
	})
	t.Run("shared", func(t *testing.T) {
		checkHostile(t, func(t *testing.T, name string) []byte { return corpus(t, "hostile", name) })
	})
}

// checkHostile compares what the documents of a folder give with its manifest.
func checkHostile(t *testing.T, document func(t *testing.T, name string) []byte) {
	var manifest struct {
		Entries []struct {
			File, Expect, Why string
			UsableKids        []string `json:"usable_kids"`
			Generated         string   `json:"generated_at_test_time"`
		}
	}
	if err := json.Unmarshal(document(t, "manifest.json"), &manifest); err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, entry := range manifest.Entries {
		if entry.Generated != "" {
			continue // about bodies, not about keys
		}
		t.Run(entry.File, func(t *testing.T) {
			kids, reasons, ok := usable(document(t, entry.File))
			switch entry.Expect {
			case "accept_keys":
				tried++
				if entry.File == "055-akp-mldsa.json" {
					// "skipped unless supported"
					kids = slices.DeleteFunc(kids, func(kid string) bool { return mldsaSupported && kid == "pq" })
				}
				slices.Sort(kids) // the manifest does not keep the order of the document
				slices.Sort(entry.UsableKids)
				if !slices.Equal(kids, entry.UsableKids) {
					t.Errorf("%s: usable %q, want %q\nskipped: %q", entry.Why, kids, entry.UsableKids, reasons)
				}
			case "reject_document":
				// Where that is because of what the entries are, none is usable.
				if ok && len(kids)+len(reasons) <= 1000 && len(kids) > 0 {
					t.Errorf("%s: usable %q", entry.Why, kids)
				}
			default:
				t.Errorf("unknown expectation %q", entry.Expect)
			}
		})
	}
	if tried < 60 {
		t.Errorf("only %d documents tried", tried)
	}
}

// TestPublishedKeySets reads what issuers published. The numbers were counted
// by hand from the rules.
func TestPublishedKeySets(t *testing.T) {
	for _, test := range []struct {
		file          string
		usable, total int
		skipped       []string
	}{
		{"apple.json", 3, 3, nil},
		{"auth0.json", 2, 2, nil},
		{"azure-tenant.json", 10, 10, nil},
		{"battle-net.json", 2, 2, nil},
		{"cognito.json", 2, 2, nil},
		{"discord.json", 1, 1, nil},
		{"docker.json", 2, 2, nil},
		{"dropbox.json", 1, 1, nil},
		{"entra-common.json", 7, 7, nil},
		{"entra-organizations.json", 6, 6, nil},
		{"facebook.json", 2, 2, nil},
		{"github-actions.json", 4, 4, nil},
		{"gitlab.json", 2, 2, nil},
		{"google.json", 2, 2, nil},
		{"google-2022.json", 2, 2, nil},
		{"google-2024.json", 2, 2, nil},
		{"itsme-example-rp.json", 1, 2, []string{`e1: use "enc" is not "sig"`}},
		{"k8s-oidc-callout.json", 13, 13, nil},
		{"keycloak.json", 1, 2, []string{`Q2O_f0Z7hVL1WUxKQbChyWK_FzQK-qRZh4Kg9mxxt_I: use "enc" is not "sig"`}},
		{"klarna.json", 4, 4, nil},
		{"lego.json", 5, 5, nil},
		{"mojeid.json", 1, 1, nil},
		{"nov-no-kid.json", 1, 1, nil},
		{"nov-with-private-key.json", 1, 1, nil}, // by name only
		{"okta.json", 2, 2, nil},
		{"onelogin.json", 1, 1, nil},
		{"paypal.json", 14, 15, []string{`753778214125442a472d4b6150645367: crv "X25519" is not supported for kty OKP`}},
		{"pingfederate-pinglabs.json", 3, 3, nil},
		{"slack.json", 1, 1, nil},
		{"smart-health-card-jerryville.json", 1, 1, nil},
		{"spotify.json", 3, 3, nil},
		{"twitch.json", 1, 1, nil},
		{"vault.json", 2, 2, nil},
		{"verimi.json", 2, 2, nil},
		{"yahoo.json", 1, 4, []string{
			"6ff94cdad11e7c3ac08dc9ec3c44844b87e364f7: RSA modulus of 1024 bits, want 2048 to 8192",
			"0: RSA modulus of 1024 bits, want 2048 to 8192",
			"4: RSA modulus of 1024 bits, want 2048 to 8192",
		}},
		{"aad-2013-v1.json", 0, 2, []string{
			`NGTFvdK-fythEuLwjpwAJOM9n-A: key_ops does not contain "verify"`,
			`kriMPdmBvx68skT8-mPAB3BseeA: alg "SHA256" does not fit RSA`,
		}},
		{"aad-test-singlex509data.json", 0, 1, []string{
			"NGTFvdK-fythEuLwjpwAJOM9n-A: it has only a certificate (x5c), and keys are not taken from certificates: the members of the key itself are missing",
		}},
		{"aad-test-end2endec.json", 2, 3, []string{`JsonWebKeyEcdsa521: alg "ES521" does not fit EC P-521`}}, // behind a byte order mark
	} {
		t.Run(test.file, func(t *testing.T) {
			kids, reasons, ok := usable(corpus(t, "jwks", test.file))
			if !ok {
				t.Fatal("no key set")
			}
			if len(kids) != test.usable || len(kids)+len(reasons) != test.total || !slices.Equal(reasons, test.skipped) {
				t.Errorf("%d of %d usable, want %d of %d\nskipped: %q", len(kids), len(kids)+len(reasons), test.usable, test.total, reasons)
			}
		})
	}
}
