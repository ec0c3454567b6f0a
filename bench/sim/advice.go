package main

import (
	"fmt"
	"strings"

	"github.com/seed-22400188/jwks/bench/internal/markdown"
)

// advice is what follows from the figures for whoever runs a fleet or an
// issuer.
func advice(f *figures, largest steadyRow) string {
	n := markdown.Number(f.replicas)
	at := func(rows []outageRow, name string) outageRow {
		for _, r := range rows {
			if r.name == name {
				return r
			}
		}
		return outageRow{}
	}
	normal, plain, polite := at(f.outage, defaults), at(f.outage, "WithRetries(0)"), at(f.outage, "503 with Retry-After: 120")
	inStep, limited := at(f.limited, "neither has jitter"), at(f.limited, defaults)
	none, now := f.lifetime[0], f.rotation[0]
	late, shared := f.lifetime[len(f.lifetime)-1], f.stores[len(f.stores)-1]
	lines := []string{
		fmt.Sprintf("**Below a thousand replicas there is nothing to do.** In its stride a fleet of 1,000 makes fewer than 3 requests a second; one of %s makes %s.",
			markdown.Number(largest.replicas), rate(largest.mean)),
		fmt.Sprintf("**Start in steps.** The start is the steepest moment: two requests a replica. Spread over a minute, the peak of %s replicas falls from %s to %s a second. A key set file that ships with the service does not help: the first lookup fetches all the same, and the file serves only while that fails.",
			markdown.Number(largest.replicas), markdown.Number(largest.start), markdown.Number(largest.startMinute)),
		"**Leave refresh-ahead on.** Its jitter is what takes a fleet apart that started together, or that an incident put in step; WithRefreshAhead(1) turns both off, and then the fleet marches in step for ever.",
		fmt.Sprintf("**Send max-age=900 or none.** Shorter ones multiply the load (no-store and anything up to a minute: %s instead of %s requests a second for %s replicas), longer ones change nothing: a key that was removed is gone after 15 minutes whatever the issuer sends.",
			rate(late.discovery), rate(none.discovery), n),
		fmt.Sprintf("**Rotate when you like.** A new key need not be published before it signs: the first token under it makes a replica fetch the set. That is one request a replica within seconds, %s a second at the peak for %s replicas. Where that is too many, publish it 15 minutes before, the TTL: then every replica has it from an ordinary refresh, and the rotation costs nothing. Keep the old key published until its last token has expired.",
			markdown.Number(now.peak), n),
		fmt.Sprintf("**Plan for %.0f times the ordinary load while you are down**, and send Retry-After with a 503. %s replicas make %s requests a second then instead of %s; with Retry-After: 120 it is %s, with WithRetries(0) %s. Retry-After is obeyed up to 10 minutes, and a replica does not see that you are back before it is over.",
			normal.during/none.discovery, n, rate(normal.during), rate(none.discovery), rate(polite.during), rate(plain.during)),
		fmt.Sprintf("**Four times the ordinary load is enough to come back.** With room for %s requests a second all but 1 %% of %s replicas are fresh after %s, and none ran out of its hour of stale answers. Without jitter the same fleet knocks the issuer over once a minute, and %s replicas run out.",
			markdown.Number(f.capacity), n, since(limited.most), markdown.Number(inStep.out)),
		"**Know what the backoff costs.** Full jitter halves the mean pause, so a fleet asks twice as often while you are down as it would without; what it buys is that a fleet in step is taken apart, such as one that starts while you are down.",
		fmt.Sprintf("**Narrow the budget for unknown kids in a large fleet** that strangers can reach: WithRefreshLimit(5*time.Minute, 2) takes what forged tokens can cause from %s to %s requests a second for %s replicas. The price: after two of them a rotated key may be seen up to 5 minutes late; publish it 15 minutes ahead then.",
			rate(float64(largest.replicas)/30), rate(float64(largest.replicas)/300), markdown.Number(largest.replicas)),
		fmt.Sprintf("**Share a store where processes must start during an outage**, or where the fleet is large: %s replicas then make %s requests an hour instead of %s, and a deployment in the middle of an outage of an hour answers %s of the valid tokens with 503 instead of %s (docs/fleet.md).",
			markdown.Number(shared.replicas), markdown.Number(shared.hourly.it), markdown.Number(shared.hourly.out), share(shared.silent.it), share(shared.silent.out)),
		"**Put a cache in front of a large fleet's issuer**: the ordinary load of any fleet becomes a few requests an hour. Let it merge requests that come together, since a rotation goes past it. If it ignores no-cache of requests, publish a new key one max-age before it signs; otherwise tokens under it are refused until the cache's copy is too old.",
	}
	return "1. " + strings.Join(lines, "\n1. ") + "\n"
}
