module github.com/seed-22400188/jwks/contrib/connect

go 1.25.0

require (
	connectrpc.com/connect v1.21.0
	github.com/seed-22400188/jwks v0.1.0
	google.golang.org/genproto/googleapis/rpc v0.0.0-20250922171735-9219d122eba9
	google.golang.org/protobuf v1.36.11
)

require (
	github.com/go-jose/go-jose/v4 v4.1.8 // indirect
	github.com/golang-jwt/jwt/v5 v5.3.1 // indirect
	github.com/hashicorp/golang-lru/v2 v2.0.7 // indirect
	golang.org/x/sync v0.22.0 // indirect
)

replace github.com/seed-22400188/jwks => ../..
