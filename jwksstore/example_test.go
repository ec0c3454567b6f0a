package jwksstore_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwksstore"
	"github.com/seed-22400188/jwks/jwkstest"
)

func ExampleDir() {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"))
	defer issuer.Close()
	state, err := os.MkdirTemp("", "orders") // a service has its own, such as systemd's StateDirectory
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(state)

	store, err := jwksstore.Dir(filepath.Join(state, "keys"))
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := jwks.NewClient(
		jwks.WithIssuer(issuer.URL()),
		jwks.WithHTTPClient(issuer.HTTPClient()),
		jwks.WithStore(store, []byte("32 random bytes, kept where the secrets are")),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := client.Ready(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	client.Close() // waits until the keys are saved
	files, err := os.ReadDir(filepath.Join(state, "keys"))
	fmt.Println(len(files), err)
	// Output: 1 <nil>
}

func ExampleMemory() {
	store := jwksstore.Memory()
	record, err := store.Load(context.Background(), "nobody saved it")
	fmt.Println(record, err)
	// Output: [] <nil>
}
