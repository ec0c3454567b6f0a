package jwk

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
)

// pemOf writes a key as crypto/x509 does.
func pemOf(t testing.TB, jwk members) string {
	t.Helper()
	k, _, err := parse(t, jwk)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(k.Public)
	if err != nil {
		t.Fatal(err)
	}
	return block("PUBLIC KEY", der)
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// certificateBlock is the PEM of a certificate for a key.
func certificateBlock(t testing.TB, jwk members) string {
	t.Helper()
	der, err := base64.StdEncoding.DecodeString(certificateFor(t, jwk))
	if err != nil {
		t.Fatal(err)
	}
	return block("CERTIFICATE", der)
}

func TestFromPEM_Table(t *testing.T) {
	ed := pemOf(t, edJWK())
	edText := `{"kty":"OKP","crv":"Ed25519","x":"` + edJWK()["x"].(string) + `"}`
	broken := strings.Replace(ed, "\nM", "\n!", 1)
	for _, tt := range []struct {
		rule, document string
		limit          int
		want           []string // of each block its JWK, or ! and its reason
		problem        string
	}{
		{"one", ed, 1, []string{edText}, ""},
		{"two with words between them", "Key A:\n" + ed + "\nKey B:\n" + ed + "that is all", 2, []string{edText, edText}, ""},
		{"headers in a block", strings.Replace(ed, "KEY-----\n", "KEY-----\nProc-Type: 4\n\n", 1), 1, []string{edText}, ""},
		{"spaces behind a line", strings.ReplaceAll(ed, "\n", "  \r\n"), 1, []string{edText}, ""},
		{"byte order marks", "\ufeff" + ed + "\ufeff" + ed, 2, []string{edText, edText}, ""},
		{"a malformed one before another", broken + ed, 2, []string{"!the PEM block is malformed", edText}, ""},
		{"two malformed ones before another", broken + broken + ed, 3, []string{"!the PEM block is malformed", "!the PEM block is malformed", edText}, ""},
		{"a malformed one at the end", ed + broken, 2, nil, "it is cut off: the last PEM block has no end"},
		{"a private key", block("EC PRIVATE KEY", []byte("secret")) + ed, 2, []string{`!private key in a PEM block of type "EC PRIVATE KEY"`, edText}, ""},
		{"an encrypted one", block("ENCRYPTED PRIVATE KEY", []byte("secret")), 1, []string{`!private key in a PEM block of type "ENCRYPTED PRIVATE KEY"`}, ""},
		{"a type of any length", block(strings.Repeat("T", 200), nil), 1,
			[]string{`!PEM block of type "` + strings.Repeat("T", 61) + `…", want "PUBLIC KEY", "RSA PUBLIC KEY" or "CERTIFICATE"`}, ""},
		{"PKCS #1 under the name of the other", block("PUBLIC KEY", []byte{0x30, 0}), 1, []string{`!PEM block of type "PUBLIC KEY" is not readable: `}, ""},
		{"nothing in it", block("RSA PUBLIC KEY", nil), 1, []string{`!PEM block of type "RSA PUBLIC KEY" is not readable: `}, ""},
		{"a certificate of nothing", block("CERTIFICATE", []byte{5, 0}), 1, []string{`!PEM block of type "CERTIFICATE" is not readable: `}, ""},
		{"no block", "nothing here", 1, nil, "it has no PEM block"},
		{"nothing", "", 1, nil, "it has no PEM block"},
		{"as many as the limit", ed + ed, 2, []string{edText, edText}, ""},
		{"one more", ed + ed + ed, 2, nil, "it has more than 2 PEM blocks"},
		{"one more that is malformed", broken + broken + ed, 2, nil, "it has more than 2 PEM blocks"},
		{"no end", ed[:len(ed)-20], 1, nil, "it is cut off: the last PEM block has no end"},
		{"a second one without its end", ed + ed[:40], 2, nil, "it is cut off: the last PEM block has no end"},
		{"a second one that has begun with a hyphen", ed + "-", 2, nil, "it is cut off: the last PEM block has no end"},
		{"an end alone behind it", ed + "-----END PUBLIC KEY-----\n", 2, []string{edText}, ""},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			blocks, err := FromPEM([]byte(tt.document), tt.limit)
			wantReason(t, err, tt.problem)
			if len(blocks) != len(tt.want) {
				t.Fatalf("%d blocks, want %d: %v", len(blocks), len(tt.want), blocks)
			}
			for i, b := range blocks {
				reason, isError := strings.CutPrefix(tt.want[i], "!")
				if isError && (b.Err == nil || b.JWK != "" || !strings.HasPrefix(b.Err.Error(), reason)) || !isError && (b.Err != nil || b.JWK != reason) {
					t.Errorf("block %d is %q, %v, want %q", i, b.JWK, b.Err, tt.want[i])
				}
			}
		})
	}
}

// A key is the same whichever way it is written, and that of a certificate has
// the certificate's thumbprints.
func TestFromPEM_SameKeys(t *testing.T) {
	rs, _, err := parse(t, rsaJWK())
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(publicRSA(t, rs.Public)))
	for rule, document := range map[string]string{
		"PUBLIC KEY": pemOf(t, rsaJWK()), "RSA PUBLIC KEY": pkcs1, "CERTIFICATE": certificateBlock(t, rsaJWK()),
	} {
		blocks, err := FromPEM([]byte(document), 1)
		if err != nil || len(blocks) != 1 || blocks[0].Err != nil {
			t.Fatalf("%s: %v, %v", rule, blocks, err)
		}
		k, kid, err := parse(t, blocks[0].JWK)
		if err != nil || kid != "" || k.Alg != "" || !Equal(k.Public, rs.Public) {
			t.Errorf("%s: %+v, %v", rule, k, err)
		}
		if named := k.HasSHA1 && k.HasSHA256; named != (rule == "CERTIFICATE") {
			t.Errorf("%s: thumbprint of a certificate: %t", rule, named)
		}
	}
}

func TestIsPEM_Table(t *testing.T) {
	ed := pemOf(t, edJWK())
	quoted, err := json.Marshal(map[string]string{"k1": ed, "k2": "\n" + ed})
	if err != nil {
		t.Fatal(err)
	}
	for document, want := range map[string]bool{
		ed: true, "\ufeff" + ed: true, "words\n" + ed: true, "-----BEGIN ": true,
		"": false, "{}": false, string(quoted): false, " \t\r\n{\n-----BEGIN \n}": false, "\ufeff{\n-----BEGIN ": false,
		" -----BEGIN PUBLIC KEY-----": false, "----BEGIN PUBLIC KEY-----": false,
	} {
		if IsPEM([]byte(document)) != want {
			t.Errorf("%.40q: %t", document, !want)
		}
	}
}

// FuzzPEM: what encoding/pem and crypto/x509 read in a document is what is
// read here, in order, and nothing else; and every key keeps the rules that a
// key of a key set keeps.
func FuzzPEM(f *testing.F) {
	ed := pemOf(f, edJWK())
	f.Add(ed)
	f.Add(pemOf(f, rsaJWK()) + "words\r\n" + certificateBlock(f, edJWK()))
	f.Add("\ufeff" + strings.Replace(ed, "M", "!", 1) + ed)
	f.Add(block("PRIVATE KEY", []byte("secret")) + ed[:40])
	f.Add(ed + "-----BEG")
	f.Fuzz(func(t *testing.T, document string) {
		const limit = 20
		blocks, err := FromPEM([]byte(document), limit)
		if err != nil {
			if blocks != nil || strings.ContainsAny(err.Error(), "\r\n") {
				t.Fatalf("%v came with %v", blocks, err)
			}
			return
		}
		if len(blocks) == 0 || len(blocks) > limit {
			t.Fatalf("%d blocks", len(blocks))
		}
		if !IsPEM([]byte(document)) && !bytes.HasPrefix(bytes.TrimLeft([]byte(document), " \t\r\n\ufeff"), []byte("{")) {
			t.Error("IsPEM denies it")
		}
		var got []crypto.PublicKey
		for _, b := range blocks {
			if (b.JWK == "") == (b.Err == nil) {
				t.Fatalf("block %q, %v", b.JWK, b.Err)
			}
			if b.Err != nil {
				if s := b.Err.Error(); strings.ContainsAny(s, "\r\n") || len(s) > 512 {
					t.Errorf("reason %q", s)
				}
				continue
			}
			k, kid, err := parse(t, b.JWK)
			if err != nil {
				continue // a weak one, say
			}
			checkInvariants(t, k, kid)
			if kid != "" || k.Alg != "" && k.Type != "AKP" {
				t.Errorf("kid %q, alg %q", kid, k.Alg)
			}
			got = append(got, k.Public)
		}
		all := theirKeys(bytes.ReplaceAll([]byte(document), []byte(mark), nil))
		for _, public := range got {
			i := slices.IndexFunc(all, func(p crypto.PublicKey) bool { return Equal(p, public) })
			if i < 0 {
				t.Fatalf("%v is not among what crypto/x509 reads, or not in its place", public)
			}
			all = all[i+1:]
		}
	})
}

// theirKeys are the public keys that the standard library reads, in order.
func theirKeys(document []byte) (keys []crypto.PublicKey) {
	for {
		b, rest := pem.Decode(document)
		if b == nil {
			return keys
		}
		document = rest
		switch b.Type {
		case "PUBLIC KEY":
			if k, err := x509.ParsePKIXPublicKey(b.Bytes); err == nil {
				keys = append(keys, k)
			}
		case "RSA PUBLIC KEY":
			if k, err := x509.ParsePKCS1PublicKey(b.Bytes); err == nil {
				keys = append(keys, k)
			}
		case "CERTIFICATE":
			if c, err := x509.ParseCertificate(b.Bytes); err == nil {
				keys = append(keys, c.PublicKey)
			}
		}
	}
}
