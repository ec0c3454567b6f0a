// Command pictures draws the pictures of the documentation.
//
//	go run ./internal/pictures   # from the root of the repository
//
// A test of this package compares the files with what it draws.
package main

import (
	"log"
	"os"
	"path/filepath"
)

// pictures are the files below docs, and what draws them.
var pictures = map[string]func() *svg{
	"token-path.svg": tokenPath,
	"key-set.svg":    keySetLife,
}

func main() {
	for name, draw := range pictures {
		if err := os.WriteFile(filepath.Join("docs", name), []byte(draw().String()), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

// tokenPath is the ten steps of Verifier.Verify.
func tokenPath() *svg {
	steps := [][3]string{
		{"size", "at most 16 KiB", "no I/O"}, {"form", "three segments", "no I/O"}, {"header", "strict JSON", "no I/O"},
		{"algorithm", "on the list", "no I/O"}, {"issuer", "trusted", "no I/O"},
		{"keys", "kid, x5t, alg", ""}, {"signature", "by its key", ""}, {"claims", "read only now", ""},
		{"policy", "aud, exp, and yours", ""}, {"proof", "of a bound token", ""},
	}
	const left, top, width, height, gapX, gapY = 20, 66, 140, 56, 30, 96
	s := &svg{width: 900, height: 352, title: "The path of a token through a verifier: ten steps, one of which may fetch keys"}
	s.text(left, 28, "strong", "The path of a token")
	s.text(left, 48, "small", "Each step sees only what it needs. If one fails, the path ends there: the token is invalid, 401.")
	for i, step := range steps {
		x, y := left+i%5*(width+gapX), top+i/5*(height+gapY)
		class := "box"
		if step[0] == "keys" {
			class = "busy"
		}
		s.rect(x, y, width, height, class)
		s.text(x+width/2, y+24, "middle strong", step[0])
		s.text(x+width/2, y+43, "middle small", step[1])
		if i%5 < 4 {
			s.arrow(x+width, y+height/2, x+width+gapX, y+height/2)
		}
	}
	row2 := top + height + gapY
	right := left + 4*(width+gapX) + width
	s.text(left, top+height+22, "small", "Nothing is fetched before this point, whatever is sent.")
	// from the end of the first row to the begin of the second
	s.line("", right-width/2, top+height, right-width/2, row2-44, left+width/2, row2-44)
	s.arrow(left+width/2, row2-44, left+width/2, row2)
	// the key set below the step that needs it
	s.line("dash", left+width/2, row2+height, left+width/2, row2+height+22)
	s.rect(left, row2+height+22, width+gapX+width, 44, "busy")
	s.text(left+12, row2+height+40, "small", "key set in memory; fetched in the background,")
	s.text(left+12, row2+height+57, "small", "or now for an unknown kid. Unavailable: 503")
	s.arrow(right, row2+height/2, right+24, row2+height/2)
	s.text(right-4, row2+height+22, "end small", "*jwks.Token: verified, immutable")
	return s
}

// keySetLife is the freshness policy with its default durations.
func keySetLife() *svg {
	s := &svg{width: 900, height: 330, title: "The life of a key set: fresh for 15 minutes, refreshed ahead from 12 minutes on, stale for an hour while refreshes fail, then expired"}
	s.text(20, 28, "strong", "The life of a key set that is not refreshed")
	s.text(20, 48, "small", "Defaults; not to scale. Every successful refresh starts again at the left.")
	phases := []struct {
		from, to               int
		class, name, duration  string
		known, unknown, second string
	}{
		{20, 270, "good", "fresh", "0 to 12 min", "answer at once", "fetch now, and wait:", "5 at once, one each 30 s"},
		{270, 430, "busy", "refresh ahead", "to 15 min", "answer at once, refresh", "the same", ""},
		{430, 700, "warn", "stale", "to 1 h 15 min", "wait for one attempt; while", "wait for one attempt; while it", "fails, 503: it could be good"},
		{700, 880, "bad", "expired", "after that", "wait for a fetch,", "wait for a fetch,", "else 503"},
	}
	for _, p := range phases {
		middle := (p.from + p.to) / 2
		s.rect(p.from+2, 84, p.to-p.from-4, 50, p.class)
		s.text(middle, 105, "middle strong", p.name)
		s.text(middle, 124, "middle small", p.duration)
		s.text(middle, 186, "middle small", p.known)
		s.text(middle, 256, "middle small", p.unknown)
		s.text(middle, 273, "middle small", p.second)
	}
	s.text(350, 203, "middle small", "in the background")
	s.text(565, 203, "middle small", "it fails, answer with these keys")
	s.text(790, 203, "middle small", "else 503")
	s.text(20, 164, "strong", "A token signed with a known key")
	s.text(20, 234, "strong", "A token signed with an unknown key")
	for _, mark := range []struct {
		x    int
		text string
	}{{270, "80 % of WithTTL, ±10 %"}, {430, "WithTTL"}, {700, "WithMaxStale past the TTL"}} {
		s.line("dash", mark.x, 78, mark.x, 290)
		s.text(mark.x, 74, "middle mono", mark.text)
	}
	s.text(20, 314, "small", "After a failure the next attempt comes after a random delay of up to 1 s, doubling to 60 s; until then no request waits for it.")
	return s
}
