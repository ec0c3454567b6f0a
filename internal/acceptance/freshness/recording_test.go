package freshness

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/seed-22400188/jwks/internal/testkit"
)

// The recordings in testdata/rotation are made up, with moduli of our own, and
// have the rhythm of real ones: how often keys come and go, how many there are
// at a time, and for how long some of them are missing while the replicas of an
// issuer disagree. To write them again:
//
//	go test ./internal/acceptance/freshness -run Recordings -update
var update = flag.Bool("update", false, "write testdata/rotation again")

// shipped are the recordings in testdata/rotation.
var shipped = []rhythm{
	// A large issuer for many tenants: every few hours or days, one of its
	// replicas answers without up to four of the keys.
	{name: "replicas-disagree", issuer: "https://login.example/{tenantid}/v2.0", days: 142, atOnce: 9, life: 36, gaps: 48, missing: []float64{0.1, 0.3, 0.3, 0.5, 0.8, 0.8, 1.2, 3, 3, 6, 6, 12, 12, 12, 24, 36, 46}},
	// The same for a month, with shorter gaps that come more often.
	{name: "replicas-disagree-briefly", issuer: "https://login.example/{tenantid}/v2.0", days: 29, atOnce: 6, life: 21, gaps: 28, missing: []float64{0.1, 0.2, 0.4, 0.5, 0.6, 1, 2.5, 6, 23}},
	// An issuer that adds a key every week and removes one every week.
	{name: "weekly-rotation", issuer: "https://accounts.example", days: 138, atOnce: 2, life: 16},
	// An issuer that keeps a few keys for months.
	{name: "few-rotations", issuer: "https://id.example", days: 118, atOnce: 4, life: 84},
}

// rhythm describes a recording.
type rhythm struct {
	name, issuer string
	days         int
	atOnce       int       // keys that are published at a time
	life         int       // days that a key is published for
	gaps         int       // how many times some of the keys are missing
	missing      []float64 // for how many hours; each is equally likely
}

// script is a recording as it is stored: each key once.
type script struct {
	Issuer  string                     `json:"issuer"`
	JWKSURI string                     `json:"jwks_uri"`
	Keys    map[string]json.RawMessage `json:"keys"`
	Sets    []scriptedSet              `json:"sets"`
}

// scriptedSet is what the issuer publishes from a time on.
type scriptedSet struct {
	Unix int64    `json:"unix"`
	Kids []string `json:"kids"`
}

// interval is a time from until to, in minutes from the start.
type interval struct{ from, to int }

func (i interval) has(minute int) bool { return i.from <= minute && minute < i.to }

// write makes the recording. The same rhythm makes the same recording: the
// sequence of PCG is fixed, and only its raw numbers are used.
func (r rhythm) write(t *testing.T) script {
	t.Helper()
	const day = 24 * 60
	random := rand.NewPCG(uint64(r.days), uint64(r.atOnce))
	below := func(n int) int { return int(random.Uint64() % uint64(n)) }
	published, absences := map[string]interval{}, map[string][]interval{}
	for i, spacing := 1-r.atOnce, r.life*day/r.atOnce; i*spacing < r.days*day; i++ {
		from := i*spacing + below(spacing/2)
		published[kidOf(r.name, i)] = interval{from, from + r.life*day}
	}
	kids := slices.Sorted(maps.Keys(published))
	for range r.gaps {
		from, length := below(r.days*day), int(60*r.missing[below(len(r.missing))])
		gap := interval{from, from + length}
		live := slices.DeleteFunc(slices.Clone(kids), func(kid string) bool { return !published[kid].has(from) })
		for range 1 + below(4) {
			kid := live[below(len(live))]
			life := published[kid]
			free := !slices.ContainsFunc(absences[kid], func(a interval) bool { return gap.from <= a.to+60 && a.from <= gap.to+60 })
			if life.has(gap.from-60) && life.has(gap.to+60) && free {
				absences[kid] = append(absences[kid], gap)
			}
		}
	}
	s := script{Issuer: r.issuer, JWKSURI: "https://keys.example/" + r.name, Keys: map[string]json.RawMessage{}}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	for minute := range r.days * day {
		set := []string{}
		for _, kid := range kids {
			if published[kid].has(minute) && !slices.ContainsFunc(absences[kid], func(a interval) bool { return a.has(minute) }) {
				set = append(set, kid)
			}
		}
		if n := len(s.Sets); n > 0 && slices.Equal(set, s.Sets[n-1].Kids) {
			continue
		}
		s.Sets = append(s.Sets, scriptedSet{start + int64(minute)*60, set})
		for _, kid := range set {
			s.Keys[kid] = keyOf(kid)
		}
	}
	return s
}

// kidOf names a key as hash functions do.
func kidOf(name string, i int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", name, i))
	return base64.RawURLEncoding.EncodeToString(sum[:15])
}

// keyOf makes an RSA key of 2048 bits from its name. The modulus is an odd
// number and no product of primes that anybody knows: nothing signs with it.
func keyOf(kid string) json.RawMessage {
	var modulus []byte
	for i := range 8 {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", kid, i))
		modulus = append(modulus, sum[:]...)
	}
	modulus[0] |= 0x80
	modulus[255] |= 1
	return fmt.Appendf(nil, `{"kty":"RSA","use":"sig","alg":"RS256","kid":%q,"e":"AQAB","n":%q}`, kid, base64.RawURLEncoding.EncodeToString(modulus))
}

// TestReplay_RecordingsAreGenerated compares testdata/rotation with what the
// generator writes.
func TestReplay_RecordingsAreGenerated(t *testing.T) {
	for _, r := range shipped {
		t.Run(r.name, func(t *testing.T) {
			want, err := json.MarshalIndent(r.write(t), "", "\t")
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, '\n')
			path := testkit.Testdata(t, "rotation", r.name+".json")
			if *update {
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, want, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s is not what the generator writes; run this test with -update", path)
			}
		})
	}
}
