package strictjson

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v4/json"
)

// payload is a claims set as an identity provider writes it: 15 claims in 632
// bytes, among them an array and an object.
var payload = `{"iss":"https://login.issuer.example/0f4a3c1e-7d11-4b55-9c4e-2f6b8a1d9e30/v2.0",` +
	`"sub":"AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ","aud":["api://orders","api://billing"],` +
	`"exp":1767225600,"nbf":1767221700,"iat":1767221700,"jti":"5b0c1f0e-3d6a-4c8e-a3d5-7f2b9e6c1a48",` +
	`"azp":"6731de76-14a6-49ae-97bc-6eba6914391e","tid":"0f4a3c1e-7d11-4b55-9c4e-2f6b8a1d9e30",` +
	`"oid":"00000000-0000-0000-66f3-3332eca7ea81","scp":"openid mail orders.read orders.write billing.read",` +
	`"name":"Renée Example","preferred_username":"renee.e@issuer.example",` +
	`"realm_access":{"roles":["default-roles","offline_access","uma_authorization"],"level":3},"ver":"2.0"}`

// hostileHeader is an object of 16 KiB with as many members as fit.
var hostileHeader = func() string {
	var b strings.Builder
	b.WriteString(`{"a":0`)
	for i := 0; b.Len() < 16<<10-12; i++ {
		b.WriteString(`,"` + strconv.FormatInt(int64(i), 36) + `":0`)
	}
	b.WriteString("}")
	return strings.Replace(b.String(), `,"a":0`, "", 1)
}()

func BenchmarkObject(b *testing.B) {
	b.Run("header", func(b *testing.B) {
		benchmarkObject(b, `{"alg":"RS256","typ":"JWT","kid":"nOo3ZDrODXEK1jKWhXslHR_KXEg"}`)
	})
	b.Run("payload", func(b *testing.B) { benchmarkObject(b, payload) })
	b.Run("hostile", func(b *testing.B) { benchmarkObject(b, hostileHeader) })
}

func benchmarkObject(b *testing.B, s string) {
	b.SetBytes(int64(len(s)))
	b.ReportAllocs()
	for b.Loop() {
		m := Object(s)
		for m.Next() {
			_, _ = m.Name(), m.Value()
		}
		if err := m.Err(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkValid(b *testing.B) {
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Valid(payload); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkText reads all strings among the members as well.
func BenchmarkText(b *testing.B) {
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		m := Object(payload)
		for m.Next() {
			if v := m.Value(); v.Kind() == String {
				if _, err := v.Text(); err != nil {
					b.Fatal(err)
				}
			}
		}
		if err := m.Err(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPeers is what the libraries that serve as oracles take for a part
// of the work.
func BenchmarkPeers(b *testing.B) {
	data := []byte(payload)
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var m map[string]json.RawMessage
			if err := json.Unmarshal(data, &m); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("go-jose", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var m map[string]jose.RawMessage
			if err := jose.Unmarshal(data, &m); err != nil {
				b.Fatal(err)
			}
		}
	})
}
