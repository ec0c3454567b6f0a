module github.com/seed-22400188/jwks/contrib/accel/wycheproof

go 1.26.4

replace (
	github.com/seed-22400188/jwks => ../../..
	github.com/seed-22400188/jwks/contrib/accel => ..
)

require (
	github.com/c2sp/wycheproof v0.0.0-20260902155932-3fa63dd0344a
	github.com/seed-22400188/jwks/contrib/accel v0.0.0
)

require (
	filippo.io/bigmod v0.1.0 // indirect
	filippo.io/edwards25519 v1.2.0 // indirect
	filippo.io/nistec v0.0.4 // indirect
	github.com/go-jose/go-jose/v4 v4.1.8 // indirect
	github.com/golang-jwt/jwt/v5 v5.3.1 // indirect
	github.com/hashicorp/golang-lru/v2 v2.0.7 // indirect
	github.com/seed-22400188/jwks v0.1.0 // indirect
	golang.org/x/sync v0.22.0 // indirect
	golang.org/x/sys v0.36.0 // indirect
)
