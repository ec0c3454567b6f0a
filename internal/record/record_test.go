package record

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

var (
	now    = time.Unix(1_800_000_000, 5)
	secret = []byte(strings.Repeat("s", MinSecret))
)

const limit = 1 << 20

func sealer(t testing.TB, secret []byte) Sealer {
	t.Helper()
	s, err := NewSealer(secret)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sample() Record {
	return Record{
		Name: "n", Issuer: "https://issuer.example", JWKSURL: "https://issuer.example/jwks",
		DiscoveryURL: "https://issuer.example/.well-known/openid-configuration", Discovery: []byte(`{"issuer":"x"}`), KeySet: []byte("\ufeff{\"keys\":[]}\xff"),
		ETag: `"1"`, LastModified: "Mon", FetchedAt: now, FullAt: now.Add(-time.Minute), DiscoveredAt: now.Add(-time.Second),
		ServerTTL: time.Minute, HasServerTTL: true,
	}
}

func TestRecord_ComesBackAsItWas(t *testing.T) {
	s := sealer(t, secret)
	bare := Record{Name: "n", KeySet: []byte("{}"), FetchedAt: now, FullAt: now}
	for name, want := range map[string]Record{"all": sample(), "what has to be there": bare} {
		got, err := s.Open(s.Seal(want), "n", limit, now)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestRecord_EveryBitIsAuthenticated(t *testing.T) {
	s := sealer(t, secret)
	sealed := s.Seal(sample())
	for i := range sealed {
		for bit := range 8 {
			flipped := bytes.Clone(sealed)
			flipped[i] ^= 1 << bit
			if _, err := s.Open(flipped, "n", limit, now); err == nil {
				t.Fatalf("bit %d of byte %d was flipped, and it opens", bit, i)
			}
		}
	}
	for n := range sealed {
		if _, err := s.Open(sealed[:n], "n", limit, now); err == nil {
			t.Fatalf("%d of %d bytes open", n, len(sealed))
		}
	}
	if _, err := s.Open(append(bytes.Clone(sealed), ' '), "n", limit, now); !errors.Is(err, ErrForged) {
		t.Errorf("one byte more: %v", err)
	}
}

func TestRecord_Refusals(t *testing.T) {
	s := sealer(t, secret)
	other := sealer(t, []byte(strings.Repeat("t", MinSecret)))
	at := func(d time.Duration) []byte { r := sample(); r.FetchedAt = now.Add(d); return s.Seal(r) }
	large := sample()
	large.KeySet = bytes.Repeat([]byte("x"), limit+1)
	full := sample()
	full.KeySet, full.Discovery = bytes.Repeat([]byte("x"), limit), bytes.Repeat([]byte("x"), limit)
	for _, test := range []struct {
		name   string
		sealed []byte
		want   error
	}{
		{"another secret", other.Seal(sample()), ErrForged},
		{"nothing", []byte{}, ErrForged},
		{"the next version", append([]byte("jwks2"), s.Seal(sample())[5:]...), ErrVersion},
		{"another name", func() []byte { r := sample(); r.Name = "m"; return s.Seal(r) }(), ErrName},
		{"a minute ahead", at(time.Minute), nil},
		{"more than a minute ahead", at(time.Minute + 1), ErrFuture},
		{"a document that is too large", s.Seal(large), ErrSize},
		{"two that just fit", s.Seal(full), nil},
		{"a mountain", bytes.Repeat([]byte("x"), 4*limit), ErrSize},
		{"authentic, and not JSON", func() []byte {
			text := []byte("not JSON")
			return append(append([]byte(version), s.mac(text)...), text...)
		}(), ErrForm},
	} {
		if r, err := s.Open(test.sealed, "n", limit, now); !errors.Is(err, test.want) || err != nil && !reflect.DeepEqual(r, Record{}) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
}

func TestNewSealer_SecretsAreLong(t *testing.T) {
	for _, n := range []int{0, 1, MinSecret - 1} {
		if _, err := NewSealer(make([]byte, n)); err == nil {
			t.Errorf("%d bytes are taken", n)
		}
	}
}

func TestName_TellsPlacesApart(t *testing.T) {
	names := map[string]bool{}
	for _, parts := range [][]string{{"a", "b"}, {"ab", ""}, {"", "ab"}, {"a", "b", ""}, {"b", "a"}} {
		names[Name(parts...)] = true
		if n := Name(parts...); len(n) != 32 || n != Name(parts...) {
			t.Errorf("%v: %q", parts, n)
		}
	}
	if len(names) != 5 {
		t.Errorf("%v", names)
	}
}

// What is not authentic opens under no circumstances, and reading it never
// panics.
func FuzzOpen(f *testing.F) {
	s := sealer(f, secret)
	f.Add(s.Seal(sample()))
	f.Add([]byte("jwks1"))
	f.Fuzz(func(t *testing.T, sealed []byte) {
		r, err := s.Open(sealed, "n", limit, now)
		if err == nil && !bytes.Equal(s.Seal(r), sealed) {
			t.Errorf("%+v is not what was sealed", r)
		}
	})
}
