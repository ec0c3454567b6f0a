package jwks_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestUnknownKidFlood(t *testing.T) {
	bubble(t, "10,000 random kids in a minute: at most 7 fetches, immediate answers, known kids undisturbed", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		for i := range 10_000 {
			_, err := c.Key(t.Context(), fmt.Sprint("junk-", i))
			if err == nil {
				t.Fatal("found")
			}
			wantError(t, err, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			finds(t, c, "k1")
			time.Sleep(time.Minute / 10_000)
		}
		if n := w.issuer.Requests(); n.JWKS > 7 || n.Discovery > 1 {
			t.Errorf("%+v", n)
		}
		if w.elapsed() > time.Minute {
			t.Errorf("10,000 lookups took %v", w.elapsed())
		}
		st := c.Status()
		if st.Throttled < 9_900 {
			t.Errorf("throttled %d", st.Throttled)
		}
		// A spell of throttling ends with a refresh.
		if n := len(w.told(jwks.EventThrottled)); n < 1 || n > 3 {
			t.Errorf("told %d times", n)
		}
	})
	bubble(t, "an endpoint that takes 2 s: those out of budget never wait", func(t *testing.T) {
		w := newWorld(t)
		c := w.client(jwks.WithRefreshLimit(30*time.Second, 1))
		finds(t, c, "k1")
		misses(t, c, "spent", jwks.ErrKeyNotFound)
		w.issuer.SetFault(jwkstest.Delay(2 * time.Second))
		for i := range 100 {
			err := misses(t, c, fmt.Sprint("junk-", i), jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			if !strings.Contains(err.Error(), "next refresh for unknown keys in 30s") {
				t.Fatalf("%v does not say when", err)
			}
		}
	})
	bubble(t, "forged signatures under a known kid cost as little", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck())
		if err != nil {
			t.Fatal(err)
		}
		good := w.issuer.Sign(nil)
		forged := newSigner(t, "ES256", "k1").token(`{"iss":"` + w.issuer.URL() + `","exp":9999999999}`)
		for range 2_000 {
			took := timed(func() { _, err = v.Verify(t.Context(), forged) })
			if took > 0 {
				t.Fatalf("a forged token took %v", took)
			}
			wantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenSignatureInvalid)
			time.Sleep(time.Minute / 2_000)
		}
		if _, err := v.Verify(t.Context(), good); err != nil {
			t.Errorf("a good token: %v", err)
		}
		if n := w.issuer.Requests(); n.JWKS > 7 || n.Discovery > 1 {
			t.Errorf("%+v", n)
		}
	})
	bubble(t, "both together share one budget", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck())
		if err != nil {
			t.Fatal(err)
		}
		finds(t, c, "k1")
		w.sent("")
		for i := range 20 {
			kid := "k1"
			if i%2 == 0 {
				kid = fmt.Sprint("junk-", i)
			}
			_, err := v.Verify(t.Context(), newSigner(t, "ES256", kid).token(`{"iss":"`+w.issuer.URL()+`","exp":9999999999}`))
			wantError(t, err, jwks.ErrTokenInvalid)
		}
		if n := len(w.sent("")); n != 5 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestANewKeyVerifiesItsFirstToken(t *testing.T) {
	verifier := func(t *testing.T, c *jwks.Client) *jwks.Verifier {
		t.Helper()
		v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck(), jwks.WithoutExpiry())
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for forged := range 5 {
		bubble(t, fmt.Sprintf("after %d forged kids", forged), func(t *testing.T) {
			w := newWorld(t)
			c := w.client()
			v := verifier(t, c)
			finds(t, c, "k1")
			for i := range forged {
				misses(t, c, fmt.Sprint("junk-", i), jwks.ErrKeyNotFound)
			}
			w.issuer.Rotate()
			if _, err := v.Verify(t.Context(), w.issuer.Sign(nil)); err != nil {
				t.Error(err)
			}
		})
	}
	bubble(t, "under a sustained flood within 30 s", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		v := verifier(t, c)
		flood := func(d time.Duration, each func()) {
			for end := w.elapsed() + d; w.elapsed() < end; time.Sleep(10 * time.Millisecond) {
				misses(t, c, fmt.Sprint("junk-", w.elapsed()), jwks.ErrKeyNotFound)
				each()
			}
		}
		flood(time.Minute+17*time.Second, func() {})
		w.issuer.Rotate()
		token := w.issuer.Sign(map[string]any{"exp": nil})
		published, verified := w.elapsed(), time.Duration(0)
		flood(time.Minute, func() {
			if _, err := v.Verify(t.Context(), token); err == nil && verified == 0 {
				verified = w.elapsed()
			}
		})
		if verified == 0 || verified-published > 30*time.Second {
			t.Errorf("published at %v, verified at %v", published, verified)
		}
	})
	bubble(t, "also when it was asked for in vain before it was published", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		misses(t, c, "k2", jwks.ErrKeyNotFound)
		misses(t, c, "k3", jwks.ErrKeyNotFound) // the budget is not spent
		w.issuer.Rotate()
		misses(t, c, "k2", jwks.ErrKeyNotFound) // remembered
		misses(t, c, "k4", jwks.ErrKeyNotFound) // brings the new set
		finds(t, c, "k2")
	})
	// A fetch that was under way may have been answered before the key was
	// published: it is not the last word.
	bubble(t, "also while an older refresh is under way", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		finds(t, c, "k1")
		old := answerOf(t, w)
		w.replying(func(r *http.Request) *http.Response {
			if r.URL.Path != jwksPath {
				return nil
			}
			time.Sleep(500 * time.Millisecond) // on its way back
			return answer(200, old)
		})
		go func() { _, _ = c.Refresh(t.Context()) }()
		synctest.Wait()
		w.replying(nil)
		time.Sleep(100 * time.Millisecond)
		w.issuer.Rotate()
		findsWithin(t, c, "k2", 400*time.Millisecond)
	})
	bubble(t, "unless a backoff runs", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		finds(t, c, "k1")
		w.issuer.Rotate()
		w.issuer.SetFault(jwkstest.Status(404))
		misses(t, c, "k2", jwks.ErrUnavailable, jwks.ErrKeyNotFound)
		w.issuer.SetFault(jwkstest.None())
		misses(t, c, "k2", jwks.ErrUnavailable, jwks.ErrKeyNotFound)
		time.Sleep(time.Second)
		finds(t, c, "k2")
	})
}

// answerOf is the document that the issuer publishes now.
func answerOf(t *testing.T, w *world) string {
	t.Helper()
	resp, err := w.issuer.HTTPClient().Get(w.issuer.JWKSURL())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	document, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(document)
}

func TestTheBudget(t *testing.T) {
	spend := func(t *testing.T, c *jwks.Client, name string, n int) {
		t.Helper()
		for i := range n {
			misses(t, c, fmt.Sprint(name, "-", i), jwks.ErrKeyNotFound)
		}
	}
	bubble(t, "is 5, and one more every 30 s", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		finds(t, c, "k1")
		w.sent("")
		for step, want := range []int{5, 1, 1, 1} {
			spend(t, c, fmt.Sprint("junk-", step), 20)
			if n := len(w.sent(jwksPath)); n != want {
				t.Errorf("step %d: %d requests, want %d", step, n, want)
			}
			time.Sleep(30*time.Second - 1)
			spend(t, c, fmt.Sprint("early-", step), 1)
			time.Sleep(time.Nanosecond)
		}
		time.Sleep(time.Hour)
		finds(t, c, "k1")
		synctest.Wait()
		w.sent("")
		spend(t, c, "late", 20)
		if n := len(w.sent(jwksPath)); n != 5 {
			t.Errorf("after an hour %d requests, want 5", n)
		}
	})
	bubble(t, "is charged by successful fetches only", func(t *testing.T) {
		w := newWorld(t)
		c := w.client(jwks.WithRefreshLimit(time.Hour, 1), jwks.WithRetries(0), jwks.WithTTL(24*time.Hour))
		finds(t, c, "k1")
		w.issuer.SetFault(jwkstest.Status(500))
		for range 10 {
			misses(t, c, "k2", jwks.ErrUnavailable, jwks.ErrKeyNotFound)
			time.Sleep(time.Minute) // past the backoff
		}
		w.issuer.SetFault(jwkstest.None())
		w.issuer.Rotate()
		finds(t, c, "k2")
		misses(t, c, "k3", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		w.issuer.Rotate()
		misses(t, c, "k3", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
	})
	bubble(t, "is not charged for what age or an operator asked for", func(t *testing.T) {
		w := newWorld(t)
		c := w.client(jwks.WithRefreshLimit(24*time.Hour, 1))
		for range 10 {
			if _, err := c.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		steadily(t, c, "k1", time.Minute, time.Hour)
		w.issuer.Rotate()
		finds(t, c, "k2")
	})
	bubble(t, "of WithRefreshLimit(d, 0) is nothing", func(t *testing.T) {
		w := newWorld(t)
		c := w.client(jwks.WithRefreshLimit(time.Second, 0))
		finds(t, c, "k1")
		w.sent("")
		w.issuer.Rotate()
		for range 10 {
			misses(t, c, "k2", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			time.Sleep(time.Minute)
		}
		if n := len(w.sent("")); n != 0 {
			t.Errorf("%d requests", n)
		}
		time.Sleep(5 * time.Minute)
		finds(t, c, "k1") // refresh-ahead still works
		synctest.Wait()
		finds(t, c, "k2")
	})
	bubble(t, "is as configured", func(t *testing.T) {
		w := newWorld(t)
		c := w.client(jwks.WithRefreshLimit(time.Second, 2))
		finds(t, c, "k1")
		w.sent("")
		spend(t, c, "a", 10)
		time.Sleep(time.Second)
		spend(t, c, "b", 10)
		if n := len(w.sent("")); n != 3 {
			t.Errorf("%d requests", n)
		}
	})
	bubble(t, "a lookup whose own fetch just brought the set does not fetch a second time", func(t *testing.T) {
		w := newWorld(t)
		misses(t, w.client(), "k2", jwks.ErrKeyNotFound)
		if n := w.issuer.Requests().JWKS; n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}
