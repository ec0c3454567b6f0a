package client

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// keyFile is a file with the key set of one signer after the other.
type keyFile struct {
	t    *testing.T
	path string
	date time.Time
}

func newKeyFile(t *testing.T) *keyFile {
	return &keyFile{t, filepath.Join(t.TempDir(), "keys.json"), time.Unix(1_700_000_000, 0)}
}

// write writes into the file in place, and dates it as before.
func (f *keyFile) write(text string) {
	f.t.Helper()
	testkit.WantNoError(f.t, os.WriteFile(f.path, []byte(text), 0o600))
	testkit.WantNoError(f.t, os.Chtimes(f.path, f.date, f.date))
}

// rename puts another file in its place, of the same date.
func (f *keyFile) rename(text string) {
	f.t.Helper()
	other := &keyFile{f.t, f.path + ".new", f.date}
	other.write(text)
	testkit.WantNoError(f.t, os.Rename(other.path, f.path))
}

func (f *keyFile) client(opts ...jwks.ClientOption) *jwks.Client {
	f.t.Helper()
	c, err := jwks.NewClient(append([]jwks.ClientOption{jwks.WithIssuer("https://issuer.example"), jwks.WithKeyFile(f.path)}, opts...)...)
	testkit.WantNoError(f.t, err)
	f.t.Cleanup(func() { _ = c.Close() })
	return c
}

func setOf(t *testing.T, kid string) string {
	return testkit.KeySetDocument(testkit.NewSigner(t, "ES256", kid).JWK())
}

// Its content says that the file changed: the new one may have the length and
// the date of the old one.
func TestKeyFile_ReplacementsAreNoticed(t *testing.T) {
	for how, replace := range map[string]func(*keyFile, string){"by rename": (*keyFile).rename, "in place": (*keyFile).write} {
		testkit.Bubble(t, how+", for an unknown kid at once", func(t *testing.T) {
			f := newKeyFile(t)
			f.write(setOf(t, "k1"))
			c := f.client()
			testkit.WantKeyWithin(t, c, "k1", 0)
			replace(f, setOf(t, "k2"))
			testkit.WantKeyWithin(t, c, "k2", 0)
			testkit.WantNoKey(t, c, "k1", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		})
		testkit.Bubble(t, how+", at the next look", func(t *testing.T) {
			f := newKeyFile(t)
			f.write(setOf(t, "k1"))
			c := f.client()
			testkit.WantKey(t, c, "k1")
			replace(f, setOf(t, "k2"))
			testkit.WantKey(t, c, "k1")
			time.Sleep(testkit.DefaultTTL)
			testkit.WantNoKey(t, c, "k1", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		})
		testkit.Bubble(t, how+", by Refresh", func(t *testing.T) {
			f := newKeyFile(t)
			f.write(setOf(t, "k1"))
			c := f.client()
			testkit.WantKey(t, c, "k1")
			replace(f, setOf(t, "k2"))
			testkit.MustRefresh(t, c)
			if ids := testkit.KeyIDsOf(t, c); len(ids) != 1 || ids[0] != "k2" {
				t.Errorf("keys %v", ids)
			}
		})
	}
	testkit.Bubble(t, "a key replaced under its kid", func(t *testing.T) {
		f := newKeyFile(t)
		f.write(setOf(t, "k1"))
		c := f.client()
		testkit.WantKey(t, c, "k1")
		time.Sleep(time.Second)
		s := testkit.NewSigner(t, "ES256", "k1")
		f.write(testkit.KeySetDocument(s.JWK()))
		testkit.Accept(t, testkit.NewSourceVerifier(t, c), s.Token(`{"iss":"https://issuer.example","exp":9999999999}`))
	})
	testkit.Bubble(t, "an unchanged file changes nothing", func(t *testing.T) {
		f := newKeyFile(t)
		f.write(setOf(t, "k1"))
		c := f.client()
		before, err := c.Key(t.Context(), "k1")
		testkit.WantNoError(t, err)
		testkit.MustRefresh(t, c)
		after, err := c.Key(t.Context(), "k1")
		testkit.WantNoError(t, err)
		if st := c.Status(); before != after || st.NotModified != 1 || st.Fetches != 2 || st.JWKSURL != f.path {
			t.Errorf("%+v", st)
		}
	})
}

// A file that did not change is the last word like one that did: looking again
// costs one of the budget, and ends.
func TestKeyFile_UnchangedIsTheLastWord(t *testing.T) {
	for rule, ask := range map[string]func(t *testing.T, c *jwks.Client){
		"a bad signature": func(t *testing.T, c *jwks.Client) {
			forged := testkit.NewSigner(t, "ES256", "k1")
			testkit.RefuseOnce(t, testkit.NewSourceVerifier(t, c), forged.Token(`{"iss":"https://issuer.example","exp":9999999999}`), jwt.ErrTokenSignatureInvalid)
		},
		"an unknown kid": func(t *testing.T, c *jwks.Client) {
			testkit.WantNoKey(t, c, "k2", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		},
	} {
		testkit.Bubble(t, rule, func(t *testing.T) {
			f := newKeyFile(t)
			f.write(setOf(t, "k1"))
			c := f.client(jwks.WithKeyCacheSize(0), jwks.WithRefreshLimit(time.Hour, 2))
			testkit.WantKey(t, c, "k1")
			time.Sleep(time.Second)
			ask(t, c)
			if n := c.Status().Fetches; n != 2 {
				t.Errorf("%d reads, want 2", n)
			}
			f.write(setOf(t, "k2"))
			testkit.WantKey(t, c, "k2")
		})
	}
	for rule, option := range map[string]jwks.ClientOption{"with a TTL that is over by then": jwks.WithTTL(1), "without a cache": jwks.WithoutCache()} {
		t.Run(rule, func(t *testing.T) {
			f := newKeyFile(t)
			f.write(setOf(t, "k1"))
			c := f.client(option)
			for n := range uint64(3) {
				_, err := c.Key(t.Context(), "k2")
				testkit.WantError(t, err, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
				if fetches := c.Status().Fetches; fetches != n+1 {
					t.Fatalf("%d reads for %d lookups", fetches, n+1)
				}
			}
		})
	}
}

// A file that is missing, half-written or bad is a failed refresh: the set at
// hand serves on.
func TestKeyFile_BadFilesCostNothing(t *testing.T) {
	good := setOf(t, "k2")
	s := testkit.NewSigner(t, "ES256", "")
	der, err := x509.MarshalPKIXPublicKey(s.Key.Public())
	testkit.WantNoError(t, err)
	block := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	for rule, text := range map[string]string{
		"half-written":     good[:len(good)/2],
		"empty":            "",
		"no keys":          `{"keys":[]}`,
		"not a key set":    "<html>",
		"half-written PEM": block + block[:len(block)/2],
		"too long":         strings.Repeat(" ", 1<<20) + good,
		"only a weak key":  `{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`,
		"null":             "null",
	} {
		testkit.Bubble(t, rule, func(t *testing.T) {
			f := newKeyFile(t)
			f.write(setOf(t, "k1"))
			c := f.client()
			testkit.WantKey(t, c, "k1")
			f.write(text)
			_, err := c.Refresh(t.Context())
			testkit.WantError(t, err, jwks.ErrUnavailable)
			var fetch *jwks.FetchError
			if !errors.As(err, &fetch) || fetch.URL != f.path {
				t.Errorf("%v does not name the file", err)
			}
			testkit.WantKeyWithin(t, c, "k1", 0)
			time.Sleep(testkit.DefaultTTL + time.Minute)
			testkit.WantKey(t, c, "k1")
			f.write(good)
			time.Sleep(2 * time.Minute) // the backoff
			testkit.WantKey(t, c, "k2")
		})
	}
	testkit.Bubble(t, "missing", func(t *testing.T) {
		f := newKeyFile(t)
		c := f.client()
		err := c.Ready(t.Context())
		testkit.WantError(t, err, jwks.ErrUnavailable, fs.ErrNotExist)
		f.write(good)
		time.Sleep(2 * time.Minute)
		testkit.WantKey(t, c, "k2")
	})
}

// PEM in the file is read as ParsePEM reads it, and its keys are bound to the
// issuer.
func TestKeyFile_PEM(t *testing.T) {
	testkit.Bubble(t, "as it stands", func(t *testing.T) {
		f := newKeyFile(t)
		s := testkit.NewSigner(t, "ES256", "")
		der, err := x509.MarshalPKIXPublicKey(s.Key.Public())
		testkit.WantNoError(t, err)
		f.write("\xef\xbb\xbf" + string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
		v := testkit.NewSourceVerifier(t, f.client())
		testkit.Accept(t, v, s.Sign(`{"alg":"ES256"}`, `{"iss":"https://issuer.example","exp":9999999999}`))
		testkit.RefuseOnce(t, v, s.Sign(`{"alg":"ES256"}`, `{"iss":"https://other.example","exp":9999999999}`), jwks.ErrTokenInvalid)
	})
}

func TestKeyFile_OptionsRefused(t *testing.T) {
	const iss = "https://issuer.example"
	file := jwks.WithKeyFile("/etc/keys.json")
	for rule, opts := range map[string][]jwks.ClientOption{
		"an empty path":         {jwks.WithKeyFile("")},
		"beside a key set URL":  {file, jwks.WithJWKSURL(iss + "/jwks")},
		"beside a document URL": {jwks.WithDiscoveryURL(iss + "/x"), file},
	} {
		if _, err := jwks.NewClient(opts...); !errors.Is(err, jwks.ErrConfig) || !strings.Contains(err.Error(), "WithKeyFile") {
			t.Errorf("%s: %v", rule, err)
		}
	}
	for rule, opts := range map[string][]jwks.IssuersOption{
		"common to two":        {jwks.TrustIssuers(iss, "https://b.example"), jwks.WithClientOptions(file)},
		"common to any":        {jwks.TrustAnyIssuer(), jwks.WithClientOptions(file)},
		"common to a function": {jwks.TrustIssuerFunc(testkit.TrustAll()), jwks.WithClientOptions(file)},
	} {
		if _, err := jwks.NewIssuers(opts...); !errors.Is(err, jwks.ErrConfig) || !strings.Contains(err.Error(), "WithKeyFile") {
			t.Errorf("%s: %v", rule, err)
		}
	}
	for rule, opts := range map[string][]jwks.IssuersOption{
		"an issuer's own":                    {jwks.TrustIssuers("https://b.example"), jwks.TrustIssuer(iss, file)},
		"an issuer's own beats a common URL": {jwks.TrustIssuer(iss, file), jwks.WithClientOptions(jwks.WithJWKSURL(iss + "/jwks"))},
	} {
		s, err := jwks.NewIssuers(opts...)
		if err != nil {
			t.Errorf("%s: %v", rule, err)
			continue
		}
		testkit.WantNoError(t, s.Close())
	}
}
