package claims

import (
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks/internal/strictjson"
)

// FuzzNumericDate compares with exact arithmetic.
func FuzzNumericDate(f *testing.F) {
	for _, text := range []string{"0", "-0", "1.5", "15e-1", "1e9", "253402300799", "253402300799.0", "253402300799.000000000000000001", "253402300800", "2534023007990e-1", "0.1e-300", "1E+011", "0e99", "100000e-5"} {
		f.Add(text)
	}
	limit := new(big.Rat).SetInt64(maxNumericDate)
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 200 || strictjson.Valid(text) != nil {
			return
		}
		m := strictjson.Object(`{"exp":` + text + `}`)
		m.Next()
		text = m.Value().Raw() // without spaces
		if _, exponent, ok := strings.Cut(strings.ToLower(text), "e"); ok {
			if n, err := strconv.Atoi(exponent); err != nil || n > 400 || n < -400 {
				return // big.Rat would take its time
			}
		}
		got, ok := numericDate(m.Value())
		exact, number := new(big.Rat).SetString(text)
		if !number || m.Value().Kind() != strictjson.Number {
			if ok {
				t.Fatalf("%q is read as %v", text, got)
			}
			return
		}
		if want := exact.Sign() >= 0 && exact.Cmp(limit) <= 0 && text[0] != '-'; ok != want {
			t.Fatalf("%q: accepted %t, want %t", text, ok, want)
		}
		if !ok {
			return
		}
		nanos := new(big.Rat).Mul(exact, new(big.Rat).SetInt64(1e9))
		want := new(big.Int).Quo(nanos.Num(), nanos.Denom())
		have := new(big.Int).Add(new(big.Int).Mul(big.NewInt(got.Unix()), big.NewInt(1e9)), big.NewInt(int64(got.Nanosecond())))
		if have.Cmp(want) != 0 {
			t.Fatalf("%q is read as %d ns, want %d", text, have, want)
		}
	})
}
