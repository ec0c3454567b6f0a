package claims

import (
	"math/rand/v2"
	"testing"
	"time"
)

// The short way may only be taken where golang-jwt's validator finds nothing,
// whatever the claims and the rules.
func TestPolicy_AgreesWithTheValidator(t *testing.T) {
	const now = 1767225600
	random := rand.New(rand.NewPCG(7, 519))
	pick := func(values ...string) string { return values[random.IntN(len(values))] }
	// Times lie where the decision turns: leeways of 0, 30 and 31 seconds.
	moment := func() time.Time {
		seconds := []int64{0, now - 31, now - 30, now - 29, now - 1, now, now + 1, now + 29, now + 30, now + 31, maxNumericDate}
		return time.Unix(seconds[random.IntN(len(seconds))], int64(random.IntN(3)-1)).UTC()
	}
	fast, agreed := 0, 0
	for range 200_000 {
		rules := Rules{
			Leeway:   []time.Duration{0, 30 * time.Second, 31 * time.Second, 1<<63 - 1}[random.IntN(4)],
			NoExpiry: random.IntN(4) == 0,
			NoTimes:  random.IntN(8) == 0,
			Now:      func() time.Time { return time.Unix(now, 0) },
		}
		if random.IntN(3) > 0 {
			rules.AnyAudience = []string{pick("api", "a", "b"), pick("api", "b", "c")}
		}
		if random.IntN(4) == 0 {
			rules.AllAudiences = []string{"api", pick("a", "b")}
		}
		c := &Set{hasExpiry: random.IntN(8) > 0, hasNotBefore: random.IntN(2) > 0, hasIssuedAt: random.IntN(2) > 0}
		c.ExpiresAt.Time, c.NotBefore.Time, c.IssuedAt.Time = moment(), moment(), moment()
		for range random.IntN(4) {
			c.Audience = append(c.Audience, pick("api", "a", "b", "c", ""))
		}
		p := NewPolicy(rules)
		var found problems
		p.validateStandard(c, &found)
		short := p.standardHolds(c)
		if short {
			fast++
		}
		err := p.validator.Validate(c)
		if rules.NoTimes {
			err = p.validator.Validate(timeless{c})
		}
		if err == nil {
			agreed++
		}
		if short && err != nil {
			t.Fatalf("the short way accepts, the validator says %v\nclaims %+v\nrules %+v", err, c, rules)
		}
		if (found.err() == nil) != (err == nil) {
			t.Fatalf("%v, the validator says %v\nclaims %+v\nrules %+v", found.err(), err, c, rules)
		}
	}
	if fast < 1000 || fast >= agreed {
		t.Errorf("%d of %d acceptable ones went the short way: the test shows little", fast, agreed)
	}
}
