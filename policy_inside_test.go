package jwks

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestPlainMeansThatTheValidatorAgrees: the short way may only be taken where
// golang-jwt's validator finds nothing, whatever the claims and the options.
func TestPlainMeansThatTheValidatorAgrees(t *testing.T) {
	const now = 1767225600
	random := rand.New(rand.NewPCG(7, 519))
	pick := func(values ...string) string { return values[random.IntN(len(values))] }
	// Times lie where the decision turns: leeways of 0, 30 and 31 seconds.
	moment := func() time.Time {
		seconds := []int64{0, now - 31, now - 30, now - 29, now - 1, now, now + 1, now + 29, now + 30, now + 31, maxNumericDate}
		return time.Unix(seconds[random.IntN(len(seconds))], int64(random.IntN(3)-1)).UTC()
	}
	plain, agreed := 0, 0
	for range 200_000 {
		config := &verifierConfig{
			leeway:   []time.Duration{0, 30 * time.Second, 31 * time.Second, 1<<63 - 1}[random.IntN(4)],
			noExpiry: random.IntN(4) == 0,
			noTimes:  random.IntN(8) == 0,
			now:      func() time.Time { return time.Unix(now, 0) },
		}
		if random.IntN(3) > 0 {
			config.anyAudience = []string{pick("api", "a", "b"), pick("api", "b", "c")}
		}
		if random.IntN(4) == 0 {
			config.allAudiences = []string{"api", pick("a", "b")}
		}
		c := &claims{has: timeClaims{random.IntN(8) > 0, random.IntN(2) > 0, random.IntN(2) > 0}}
		c.exp.Time, c.nbf.Time, c.iat.Time = moment(), moment(), moment()
		for range random.IntN(4) {
			c.aud = append(c.aud, pick("api", "a", "b", "c", ""))
		}
		p := newPolicy(config)
		var found problems
		p.judgeStandard(c, &found)
		short := p.plainlyStandard(c)
		if short {
			plain++
		}
		err := p.standard.Validate(c)
		if config.noTimes {
			err = p.standard.Validate(timeless{c})
		}
		if err == nil {
			agreed++
		}
		if short && err != nil {
			t.Fatalf("taken for plain, but: %v\nclaims %+v\noptions %+v", err, c, config)
		}
		if (found.err() == nil) != (err == nil) {
			t.Fatalf("judged %v, the validator says %v\nclaims %+v\noptions %+v", found.err(), err, c, config)
		}
	}
	if plain < 1000 || plain >= agreed {
		t.Errorf("%d of %d acceptable ones were plain: the test is not about much", plain, agreed)
	}
}
