package jwk

import (
	"fmt"
	"math/big"
	"runtime"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks/internal/strictjson"
)

// worstEntries are entries of about n bytes, each long where a reader might
// work more than once over what it read.
func worstEntries(t testing.TB, n int) map[string]string {
	good := `"kty":"RSA","e":"AQAB","n":"` + rsaJWK()["n"].(string) + `"`
	fill := func(s string) string { return strings.Repeat(s, n/len(s)) }
	var names, escaped strings.Builder
	for i := 0; names.Len() < n; i++ {
		fmt.Fprintf(&names, `,"m%d":0`, i)
	}
	for i := 0; escaped.Len() < n; i++ {
		fmt.Fprintf(&escaped, `,"\u006d%d":0`, i)
	}
	leaf := certificateFor(t, rsaJWK())
	return map[string]string{
		"many members":             `{` + good + names.String() + `}`,
		"many escaped members":     `{` + good + escaped.String() + `}`,
		"many members, then again": `{` + good + names.String() + `,"m0":0}`,
		"a long kid":               `{` + good + `,"kid":"` + fill("k") + `"}`,
		"a long escaped kid":       `{` + good + `,"kid":"` + fill(`\u006b`) + `"}`,
		"a long x5t":               `{` + good + `,"x5t":"` + fill("t") + `","x5t#S256":"` + fill(`\u0074`) + `"}`,
		"a long x5c":               `{` + good + `,"x5c":["` + fill("AAAA") + `"]}`,
		"many x5c":                 `{` + good + `,"x5c":["` + leaf + `"` + fill(`,"`+leaf+`"`) + `]}`,
		"many key_ops":             `{` + good + `,"key_ops":["verify"` + fill(`,"verify"`) + `]}`,
		"a long operation":         `{` + good + `,"key_ops":["` + fill("v") + `"]}`,
		"a long issuer":            `{` + good + `,"issuer":"` + fill("i") + `"}`,
		"a modulus behind zeros":   `{"kty":"RSA","e":"AQAB","n":"` + strings.Repeat("AAAA", n/4) + rsaJWK()["n"].(string) + `"}`,
		"a large modulus":          `{"kty":"RSA","e":"AQAB","n":"` + fill("____") + `"}`,
		"an exponent behind zeros": `{"kty":"RSA","n":"` + rsaJWK()["n"].(string) + `","e":"` + strings.Repeat("AAAA", n/4) + `AQAB"}`,
		"a coordinate of zeros":    `{"kty":"EC","crv":"P-256","y":"AA","x":"` + strings.Repeat("AAAA", n/4) + `AQAB"}`,
		"a long coordinate":        `{"kty":"OKP","crv":"Ed25519","x":"` + fill("x") + `"}`,
		"many primes":              `{` + good + `,"oth":[{"r":""}` + fill(`,{"r":""}`) + `]}`,
		"deep":                     `{` + good + fill(`,"z":[[[[[[[[[[[[]]]]]]]]]]]]`) + `}`,
	}
}

// allocated is how many bytes a function allocates, after a run that fills
// what is only filled once.
func allocated(f func()) uint64 {
	f()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const runs = 4
	for range runs {
		f()
	}
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) / runs
}

func TestEntry_MemoryIsLinear(t *testing.T) {
	const unit = 16 << 10
	small, middle, large := worstEntries(t, unit), worstEntries(t, 4*unit), worstEntries(t, 16*unit)
	for name := range small {
		var used [3]uint64
		for i, text := range []string{small[name], middle[name], large[name]} {
			v := value(t, text)
			used[i] = allocated(func() { Parse(v) })
			if most := uint64(8*len(text) + 32<<10); used[i] > most {
				t.Errorf("%s: %d bytes for an entry of %d, want at most %d", name, used[i], len(text), most)
			}
		}
		// Four times the size, at most five times the memory, beyond what any
		// entry costs.
		for i := range 2 {
			if used[i+1] > 5*used[i]+32<<10 {
				t.Errorf("%s: %d bytes allocated for 16, 64 and 256 KiB", name, used)
				break
			}
		}
	}
}

// worstSets are key sets of n entries that are dear to read.
func worstSets(t testing.TB, n int) map[string]string {
	set := func(entry func(i int) string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, ",%s", entry(i))
		}
		return `{"keys":[` + b.String()[1:] + `]}`
	}
	modulus := testModulus(8192)
	leaf := certificateFor(t, rsaJWK())
	return map[string]string{
		"one kid": set(func(int) string {
			modulus.Sub(modulus, big.NewInt(2))
			return `{"kty":"RSA","kid":"k","e":"AQAB","n":"` + b64(modulus.Bytes()) + `"}`
		}),
		"certificates": set(func(i int) string {
			return fmt.Sprintf(`{"kty":"RSA","kid":"%d","e":"AQAB","n":"%s","x5c":["%s"]}`, i, rsaJWK()["n"], leaf)
		}),
		"nothing usable": set(func(int) string { return `{"kty":"RSA","kid":5}` }),
	}
}

func readAll(document string) (usable int) {
	top := strictjson.Object(document)
	for top.Next() {
		for entries := top.Value().Elements(); entries.Next(); {
			if k, _, _ := Parse(entries.Value()); k != nil {
				usable++
			}
		}
	}
	return usable
}

func TestSet_MemoryIsLinear(t *testing.T) {
	small, large := worstSets(t, 250), worstSets(t, 1000)
	for name := range small {
		few := allocated(func() { readAll(small[name]) })
		many := allocated(func() { readAll(large[name]) })
		if many > 5*few || many > uint64(8*len(large[name])) {
			t.Errorf("%s: %d bytes for 250 entries, %d for 1,000 of %d bytes", name, few, many, len(large[name]))
		}
	}
}

func BenchmarkWorstEntry(b *testing.B) {
	for _, n := range []int{16 << 10, 64 << 10, 256 << 10} {
		for name, text := range worstEntries(b, n) {
			b.Run(fmt.Sprintf("%s/%dKiB", strings.ReplaceAll(name, " ", "-"), n>>10), func(b *testing.B) {
				v := value(b, text)
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for b.Loop() {
					Parse(v)
				}
			})
		}
	}
}

func BenchmarkWorstSet(b *testing.B) {
	for _, n := range []int{250, 1000} {
		for name, text := range worstSets(b, n) {
			b.Run(fmt.Sprintf("%s/%d", strings.ReplaceAll(name, " ", "-"), n), func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for b.Loop() {
					readAll(text)
				}
			})
		}
	}
}
