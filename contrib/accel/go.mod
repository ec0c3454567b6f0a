module github.com/seed-22400188/jwks/contrib/accel

go 1.25.0

replace github.com/seed-22400188/jwks => ../..

require (
	filippo.io/bigmod v0.1.0
	filippo.io/edwards25519 v1.2.0
	filippo.io/nistec v0.0.4
	github.com/go-jose/go-jose/v4 v4.1.8
	github.com/seed-22400188/jwks v0.1.0
)

require (
	github.com/golang-jwt/jwt/v5 v5.3.1 // indirect
	github.com/hashicorp/golang-lru/v2 v2.0.7 // indirect
	golang.org/x/sync v0.22.0 // indirect
	golang.org/x/sys v0.36.0 // indirect
)
