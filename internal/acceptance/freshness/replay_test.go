package freshness

import (
	"encoding/json"
	"errors"
	"fmt"
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
type recording []struct {
	Unix    int64           `json:"unix"`
	Issuer  string          `json:"issuer"`
	JWKSURI string          `json:"jwks_uri"`
	JWKS    json.RawMessage `json:"jwks"`
}

func readRecording(t *testing.T, name string) recording {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testkit.SharedDir(t, filepath.Join("corpus", "rotation")), name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var r recording
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// since is the time of a snapshot, counted from the first.
func (r recording) since(i int) time.Duration {
	return time.Duration(r[i].Unix-r[0].Unix) * time.Second
}

// lifetime is when an issuer signs with a key: from the first set that has it until
// the first set after the last one that has it. In between replicas may
// disagree, but its tokens are good.
type lifetime struct{ from, until time.Duration }

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
	lookups, refused int
	kids             map[string]bool // that were refused
	longest          time.Duration   // that one was refused in a row
	overdue          time.Duration   // that one was accepted after its end, at most
	fetches          uint64
}

// replay looks every live key up, and every dead one, all along a recording.
func replay(t *testing.T, name string, step time.Duration, opts ...jwks.ClientOption) (result replayResult) {
	r := readRecording(t, name)
	lives := r.lives(t)
	result.kids = map[string]bool{}
	synctest.Test(t, func(t *testing.T) {
		env := testkit.NewEnv(t)
		current := 0
		env.ReplyWith(func(req *http.Request) *http.Response {
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

// TestReplay_Rotations shows what an issuer whose replicas disagree costs, and
// what WithRetention makes of it. The figures stand in the README.
func TestReplay_Rotations(t *testing.T) {
	const step = 30 * time.Minute // some sets were published for an hour only
	for _, tt := range []struct {
		name     string
		disagree bool // its replicas do
	}{
		{"entra-common", true}, {"entra-organizations", true}, {"google", false}, {"apple", false},
	} {
		if tt.name != "entra-organizations" && (testkit.RaceEnabled || testing.Short()) {
			continue // the smallest that shows it will do
		}
		var first replayResult
		for _, retention := range []time.Duration{0, 6 * time.Hour, 24 * time.Hour, 48 * time.Hour} {
			t.Run(fmt.Sprintf("%s/%v", tt.name, retention), func(t *testing.T) {
				got := replay(t, tt.name, step, jwks.WithRetention(retention))
				t.Logf("%d of %d lookups of live keys refused (%.2f %%), %d kids, longest %v; a key was accepted for at most %v after its end; %d fetches",
					got.refused, got.lookups, 100*float64(got.refused)/float64(got.lookups), len(got.kids), got.longest, got.overdue, got.fetches)
				if retention == 0 {
					first = got
					if tt.disagree != (got.refused > 0) {
						t.Errorf("%d refused", got.refused)
					}
				} else if got.refused > first.refused {
					t.Errorf("%d refused with a retention, %d without", got.refused, first.refused)
				}
				if retention == 48*time.Hour && got.refused != 0 {
					t.Errorf("%d refused: a retention of the longest absence should leave none", got.refused)
				}
				if most := retention + testkit.DefaultTTL + step; got.overdue > most {
					t.Errorf("a key was accepted for %v after its end, at most %v", got.overdue, most)
				}
			})
		}
	}
}
