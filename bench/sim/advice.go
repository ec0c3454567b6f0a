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
		fmt.Sprintf("**Below a thousand replicas there is nothing to do.** In the steady state a fleet of 1,000 makes fewer than 3 requests a second; one of %s makes %s.",
			markdown.Number(largest.replicas), rate(largest.mean)),
		fmt.Sprintf("**Start in steps.** The peak is at the start, with two requests per replica. If the start is spread over a minute, the peak of %s replicas falls from %s to %s a second. A key set that ships with the service (WithKeySet) does not help: the first lookup fetches anyway, and the seed is used only while that fails.",
			markdown.Number(largest.replicas), markdown.Number(largest.start), markdown.Number(largest.startMinute)),
		"**Leave refresh-ahead on.** Its jitter spreads out a fleet that started together or that an incident synchronised. WithRefreshAhead(1) turns both off, and the replicas then refresh together forever.",
		fmt.Sprintf("**Send max-age=900 or none.** Shorter ones increase the load (no-store and anything up to a minute: %s instead of %s requests a second for %s replicas), and longer ones change nothing: a removed key is rejected after 15 minutes whatever the issuer sends.",
			rate(late.discovery), rate(none.discovery), n),
		fmt.Sprintf("**Rotate when you like.** A new key need not be published before it signs: the first token signed with it makes a replica fetch the set. That is one request per replica within seconds, %s a second at the peak for %s replicas. If that is too many, publish the key one TTL (15 minutes) before it signs: then every replica gets it with an ordinary refresh, and the rotation costs nothing. Keep the old key published until its last token has expired.",
			markdown.Number(now.peak), n),
		fmt.Sprintf("**Plan for %.0f times the ordinary load while you are down**, and send Retry-After with a 503. %s replicas make %s requests a second then instead of %s; with Retry-After: 120 it is %s, with WithRetries(0) %s. Retry-After is obeyed up to 10 minutes, and until it is over a replica does not notice that you are back.",
			normal.during/none.discovery, n, rate(normal.during), rate(none.discovery), rate(polite.during), rate(plain.during)),
		fmt.Sprintf("**Four times the ordinary load is enough to come back.** With room for %s requests a second all but 1 %% of %s replicas are fresh after %s, and none ran out of its hour of stale answers. Without jitter the same fleet would overload the issuer once a minute, and %s replicas would run out.",
			markdown.Number(f.capacity), n, since(limited.most), markdown.Number(inStep.out)),
		"**Know what the backoff costs.** Full jitter halves the mean pause, so while you are down a fleet makes twice as many requests as it would without jitter. In return it spreads out replicas that are synchronised, such as those of a fleet that starts while you are down.",
		fmt.Sprintf("**Narrow the budget for unknown kids in a large fleet** that strangers can reach: WithRefreshLimit(5*time.Minute, 2) reduces what forged tokens can cause from %s to %s requests a second for %s replicas. The price is that after two such tokens a rotated key may be noticed up to 5 minutes late; if so, publish keys 15 minutes ahead.",
			rate(float64(largest.replicas)/30), rate(float64(largest.replicas)/300), markdown.Number(largest.replicas)),
		fmt.Sprintf("**Share a store if processes must start during an outage**, or if the fleet is large: %s replicas then make %s requests an hour instead of %s, and a deployment during an outage of an hour answers %s of the valid tokens with 503 instead of %s (docs/fleet.md).",
			markdown.Number(shared.replicas), markdown.Number(shared.hourly.it), markdown.Number(shared.hourly.out), share(shared.silent.it), share(shared.silent.out)),
		"**Put a cache in front of a large fleet's issuer**: the ordinary load of any fleet becomes a few requests an hour. Configure it to merge concurrent requests, since a rotation bypasses it. If it ignores no-cache in requests, publish a new key one max-age before it signs; otherwise tokens signed with it are refused until the cache's copy is too old.",
	}
	return "1. " + strings.Join(lines, "\n1. ") + "\n"
}
