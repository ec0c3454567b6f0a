package snippet

import (
	"os"
	"path/filepath"
	"strings"
)

const modulePath = "github.com/seed-22400188/jwks"

// packages are the imports that a fragment may leave out, as an editor adds them.
var packages = map[string]string{
	"bytes": "bytes", "context": "context", "errors": "errors", "expvar": "expvar", "fmt": "fmt", "io": "io",
	"log": "log", "os": "os", "strconv": "strconv", "strings": "strings", "sync": "sync", "testing": "testing", "time": "time",
	"base64": "encoding/base64", "json": "encoding/json", "sql": "database/sql", "slog": "log/slog",
	"http": "net/http", "httptest": "net/http/httptest", "url": "net/url", "signal": "os/signal",
	"syscall": "syscall", "synctest": "testing/synctest", "tls": "crypto/tls", "x509": "crypto/x509",
	"ecdsa": "crypto/ecdsa", "ed25519": "crypto/ed25519", "elliptic": "crypto/elliptic", "rand": "crypto/rand",
	"rsa": "crypto/rsa", "crypto": "crypto", "atomic": "sync/atomic", "slices": "slices", "maps": "maps",

	"jwt": "github.com/golang-jwt/jwt/v5", "jose": "github.com/go-jose/go-jose/v4",

	"jwks": modulePath, "awsalb": modulePath + "/awsalb", "cfaccess": modulePath + "/cfaccess", "dpop": modulePath + "/dpop",
	"jwkshttp": modulePath + "/jwkshttp", "jwkskube": modulePath + "/jwkskube", "jwksstore": modulePath + "/jwksstore",
	"jwkstest": modulePath + "/jwkstest",

	"accel": modulePath + "/contrib/accel", "jwksconnect": modulePath + "/contrib/connect", "jwksgrpc": modulePath + "/contrib/grpc",
	"jwksmcp": modulePath + "/contrib/mcp", "jwksotel": modulePath + "/contrib/otel", "jwksredis": modulePath + "/contrib/redis",
	"grpc": "google.golang.org/grpc", "connect": "connectrpc.com/connect", "authn": "connectrpc.com/authn",
	"mcp": "github.com/modelcontextprotocol/go-sdk/mcp", "redis": "github.com/redis/go-redis/v9",
	"otel": "go.opentelemetry.io/otel",
}

// Modules are the folders below root that have a go.mod, "." among them.
func Modules(root string) ([]string, error) {
	var modules []string
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules" || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.Name() == "go.mod":
			name, err := filepath.Rel(root, filepath.Dir(path))
			if err != nil {
				return err
			}
			modules = append(modules, filepath.ToSlash(name))
		}
		return nil
	})
	return modules, err
}

// moduleOf is the module in which a unit builds: the one of a package that it
// imports if that is a nested module's, else the one that its file is in.
func moduleOf(file string, imports, modules []string) string {
	module := longest(file, modules)
	for _, path := range imports {
		if rest, ok := strings.CutPrefix(path, modulePath+"/"); ok {
			if m := longest(rest, modules); m != "." {
				module = m
			}
		}
	}
	return module
}

func longest(path string, modules []string) string {
	module := "."
	for _, m := range modules {
		if (path == m || strings.HasPrefix(path, m+"/")) && len(m) > len(module) {
			module = m
		}
	}
	return module
}
