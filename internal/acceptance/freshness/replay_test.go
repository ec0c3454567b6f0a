package freshness

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// recording is what one issuer published, in order.
type recording []snapshot

// snapshot is what it published from a time on.
type snapshot struct {
	Unix    int64           `json:"unix"`
	Issuer  string          `json:"issuer"`
	JWKSURI string          `json:"jwks_uri"`
	JWKS    json.RawMessage `json:"jwks"`
}

// readShipped reads a recording of testdata/rotation.
func readShipped(t *testing.T, name string) recording {
	t.Helper()
	var s script
	readJSON(t, testkit.Testdata(t, "rotation", name+".json"), &s)
	var r recording
	for _, set := range s.Sets {
		var entries []string
		for _, kid := range set.Kids {
			entries = append(entries, string(s.Keys[kid]))
		}
		r = append(r, snapshot{set.Unix, s.Issuer, s.JWKSURI, []byte(testkit.KeySetDocument(entries...))})
	}
	return r
}

// readReal reads a recording of a real issuer.
func readReal(t *testing.T, name string) recording {
	t.Helper()
	var r recording
	readJSON(t, filepath.Join(testkit.SharedDir(t, "corpus", "rotation"), name+".json"), &r)
	return r
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// since is the time of a snapshot, counted from the first.
func (r recording) since(i int) time.Duration {
	return time.Duration(r[i].Unix-r[0].Unix) * time.Second
}

// lifetime is when an issuer may sign with a key: from the first set that has it
// to the first set after the last one that has it. In between replicas may
// disagree, but the tokens are good.
type lifetime struct{ from, until time.Duration }

// lives lists the lifetimes of all keys.
func (r recording) lives(t *testing.T) map[string]lifetime {
	t.Helper()
	lives := map[string]lifetime{}
	for i, snapshot := range r {
		set, err := jwks.ParseKeySet(snapshot.JWKS)
		if err != nil {
			t.Fatalf("snapshot %d: %v", i, err)
		}
		until := r.since(len(r)-1) + time.Hour
		if i+1 < len(r) {
			until = r.since(i + 1)
		}
		for k := range set.All() {
			l, ok := lives[k.ID()]
			if !ok {
				l.from = r.since(i)
			}
			l.until = until
			lives[k.ID()] = l
		}
	}
	return lives
}

// replayResult is what a client made of a recording.
type replayResult struct {
	lookups, refused int             // of keys that are good
	kids             map[string]bool // keys that were refused
	longest          time.Duration   // one key was refused in a row, at most
	overdue          time.Duration   // a key was accepted after its end, at most
	fetches          uint64
}

// replay plays a recording to a client, and looks up every key during its
// lifetime and for 100 hours after it, once a step.
func replay(t *testing.T, r recording, step time.Duration, opts ...jwks.ClientOption) (result replayResult) {
	lives := r.lives(t)
	result.kids = map[string]bool{}
	synctest.Test(t, func(t *testing.T) {
		env := testkit.NewEnv(t)
		current := 0
		env.ReplyWith(func(*http.Request) *http.Response {
			for current+1 < len(r) && r.since(current+1) <= env.Elapsed() {
				current++
			}
			return testkit.Response(200, string(r[current].JWKS))
		})
		options := []jwks.ClientOption{jwks.WithIssuer(r[0].Issuer), jwks.WithJWKSURL(r[0].JWKSURI)}
		if strings.Contains(r[0].Issuer, "{tenantid}") {
			options = append(options, jwks.WithTenants())
		}
		c := env.NewClientWithoutIssuer(append(options, opts...)...)
		refusedSince := map[string]time.Duration{}
		for end := r.since(len(r) - 1); env.Elapsed() <= end; time.Sleep(step) {
			now := env.Elapsed()
			for kid, life := range lives {
				if now < life.from || now > life.until+100*time.Hour {
					continue
				}
				_, err := c.Key(t.Context(), kid)
				if now >= life.until {
					if err == nil {
						result.overdue = max(result.overdue, now-life.until)
					}
					continue
				}
				result.lookups++
				if err == nil {
					delete(refusedSince, kid)
					continue
				}
				if !errors.Is(err, jwks.ErrTokenInvalid) {
					t.Fatalf("%s after %v: %v", kid, now, err)
				}
				result.refused++
				result.kids[kid] = true
				if _, ok := refusedSince[kid]; !ok {
					refusedSince[kid] = now
				}
				result.longest = max(result.longest, now-refusedSince[kid]+step)
			}
			env.TakeRequests("")
			env.TakeEvents()
		}
		result.fetches = c.Status().Fetches
	})
	return result
}

// TestReplay_Rotations shows what an issuer costs whose replicas disagree, and
// what WithRetention makes of it. The figures of the shipped recordings stand
// in the README.
func TestReplay_Rotations(t *testing.T) {
	for _, tt := range []struct {
		name     string
		disagree bool // its replicas do
		long     bool // too long for the race detector
	}{
		{"replicas-disagree", true, true}, {"replicas-disagree-briefly", true, false}, {"weekly-rotation", false, true}, {"few-rotations", false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			skipLong(t, tt.long)
			replayWithRetentions(t, readShipped(t, tt.name), tt.disagree)
		})
	}
}

// TestReplay_RealRotations replays what real issuers published.
func TestReplay_RealRotations(t *testing.T) {
	for _, tt := range []struct {
		name     string
		disagree bool
		long     bool
	}{
		{"entra-common", true, true}, {"entra-organizations", true, false}, {"google", false, true}, {"apple", false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			skipLong(t, tt.long)
			replayWithRetentions(t, readReal(t, tt.name), tt.disagree)
		})
	}
}

func skipLong(t *testing.T, long bool) {
	t.Helper()
	if long && (testkit.RaceEnabled || testing.Short()) {
		t.Skip("too long for -race and -short; the shorter recordings show the same")
	}
}

// replayWithRetentions wants refusals where replicas disagree, fewer with a
// retention, and none with the retention of the longest absence.
func replayWithRetentions(t *testing.T, r recording, disagree bool) {
	const step = 30 * time.Minute // some sets were published for an hour only
	var first replayResult
	for _, retention := range []time.Duration{0, 6 * time.Hour, 24 * time.Hour, 48 * time.Hour} {
		t.Run(retention.String(), func(t *testing.T) {
			got := replay(t, r, step, jwks.WithRetention(retention))
			t.Logf("%d of %d lookups of good keys refused (%.2f %%), %d keys, for at most %v in a row; a key was accepted for at most %v after its end; %d fetches",
				got.refused, got.lookups, 100*float64(got.refused)/float64(got.lookups), len(got.kids), got.longest, got.overdue, got.fetches)
			if retention == 0 {
				first = got
				if disagree != (got.refused > 0) {
					t.Errorf("%d lookups refused, replicas disagree: %t", got.refused, disagree)
				}
			} else if got.refused > first.refused {
				t.Errorf("%d lookups refused with a retention, %d without", got.refused, first.refused)
			}
			if retention == 48*time.Hour && got.refused != 0 {
				t.Errorf("%d lookups refused: a retention of the longest absence should leave none", got.refused)
			}
			if most := retention + testkit.DefaultTTL + step; got.overdue > most {
				t.Errorf("a key was accepted for %v after its end, want at most %v", got.overdue, most)
			}
		})
	}
}
