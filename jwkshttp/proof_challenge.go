package jwkshttp

import (
	"errors"
	"net/http"
	"strings"
)

// offer is the challenge that a Proof makes to whoever brings no credentials.
type offer struct{ scheme, params string }

// offers lists those of a request.
func (p *presented) offers() (list []offer) {
	for _, proof := range p.proofs {
		if c, ok := proof.(challenger); ok {
			scheme, params := c.Challenge()
			list = append(list, offer{scheme, params})
		}
	}
	return list
}

// challengesFor lists the challenges of a refusal. A proof that failed has its
// own (RFC 9449 section 7.1). Else the scheme that was used has the error, and
// where another one may help it is offered beside it (section 7.2).
func (g *guard) challengesFor(refused refusal, err error, p *presented) []string {
	usual := g.challenges[refused] // "Bearer" and its parameters
	switch c := challenger(nil); {
	case usual == "":
		return nil
	case p == nil:
		return []string{usual}
	case refused == refusedInvalid && errors.As(err, &c):
		scheme, params := c.Challenge()
		return []string{g.challenge(scheme, params)}
	}
	var others []string
	for _, o := range p.offers() {
		if p.scheme != "" && strings.EqualFold(o.scheme, p.scheme) {
			return []string{p.scheme + joinParams(strings.TrimPrefix(usual, "Bearer"), o.params)}
		}
		others = append(others, g.challenge(o.scheme, o.params))
	}
	switch refused {
	case refusedNoToken:
		return append(others, usual)
	case refusedInvalid:
		return append([]string{usual}, others...)
	}
	return []string{usual}
}

// challenge puts realm and resource metadata before the parameters of a Proof.
func (g *guard) challenge(scheme, params string) string {
	bare := strings.Join(bareParams(g.realm, g.resourceMetadata), ", ")
	if bare != "" {
		bare = " " + bare
	}
	return scheme + joinParams(bare, params)
}

// joinParams adds parameters to those that stand behind a scheme with a space.
func joinParams(params, more string) string {
	switch {
	case more == "":
		return params
	case params == "":
		return " " + more
	}
	return params + ", " + more
}

// setHeaders sets what the proofs, or an error about one, add to the answer.
func (p *presented) setHeaders(w http.ResponseWriter, err error) {
	if p == nil {
		return
	}
	var h responseHeaders
	if errors.As(err, &h) {
		copyHeaders(w, h)
		return
	}
	for _, proof := range p.proofs {
		if h, ok := proof.(responseHeaders); ok {
			copyHeaders(w, h)
		}
	}
}

func copyHeaders(w http.ResponseWriter, from responseHeaders) {
	for name, values := range from.ResponseHeader() {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
}
