package jwk

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/seed-22400188/jwks/internal/show"
)

// Block is one block of a PEM document (RFC 7468).
type Block struct {
	JWK string // the key in it, as a JWK without a kid; "" with Err
	Err error  // why there is none, in one line without prefix
}

// IsPEM tells a PEM document from JSON, in which PEM may stand as text.
func IsPEM(document []byte) bool {
	return begins(document) > 0 && !bytes.HasPrefix(bytes.TrimLeft(document, " \t\r\n"+mark), []byte("{"))
}

// Errors of a document of PEM blocks.
var (
	errNoBlock = errors.New("it has no PEM block")
	errCutOff  = errors.New("it is cut off: the last PEM block has no end")
)

// FromPEM reads the public keys of a PEM document, of at most limit blocks, in
// order: SubjectPublicKeyInfo (PUBLIC KEY), PKCS #1 (RSA PUBLIC KEY) and the
// keys of certificates (CERTIFICATE), in which nothing else is looked at. One
// block that is something else costs no other; a document that ends within a
// block is an error, because it is still being written.
func FromPEM(text []byte, limit int) ([]Block, error) {
	var blocks []Block
	text = bytes.ReplaceAll(text, []byte(mark), nil) // of each file that was put behind another
	for {
		block, rest := pem.Decode(text)
		skipped := text
		if block != nil {
			skipped = text[:len(text)-len(rest)]
		}
		begun := begins(skipped)
		switch {
		case block == nil && (begun > 0 || endsInBoundary(text)):
			return nil, errCutOff
		case block == nil && blocks == nil:
			return nil, errNoBlock
		case block == nil:
			return blocks, nil
		}
		// What encoding/pem cannot read it passes over in silence.
		for ; begun > 1; begun-- {
			blocks = append(blocks, Block{Err: errors.New("the PEM block is malformed")})
		}
		jwk, err := fromBlock(block)
		if blocks = append(blocks, Block{jwk, err}); len(blocks) > limit {
			return nil, fmt.Errorf("it has more than %d PEM blocks", limit)
		}
		text = rest
	}
}

const (
	begin = "-----BEGIN "
	mark  = "\ufeff" // the byte order mark that some editors write
)

// begins counts the lines that begin a block.
func begins(text []byte) int {
	n := bytes.Count(text, []byte("\n"+begin))
	if bytes.HasPrefix(bytes.TrimPrefix(text, []byte(mark)), []byte(begin)) {
		n++
	}
	return n
}

// endsInBoundary says that text ends in the first letters of a line that begins
// a block.
func endsInBoundary(text []byte) bool {
	last := string(text[bytes.LastIndexByte(text, '\n')+1:])
	return last != "" && strings.HasPrefix(begin, last)
}

// fromBlock reads one block.
func fromBlock(block *pem.Block) (string, error) {
	if strings.HasSuffix(block.Type, "PRIVATE KEY") {
		return "", refuse(ErrSecret, "private key in a PEM block of type %s", show.Quote(block.Type))
	}
	read := readers[block.Type]
	if read == nil {
		return "", errors.New("PEM block of type " + show.Quote(block.Type) + `, want "PUBLIC KEY", "RSA PUBLIC KEY" or "CERTIFICATE"`)
	}
	public, certificate, err := read(block.Bytes)
	if err != nil {
		return "", errors.New("PEM block of type " + show.Quote(block.Type) + " is not readable: " + show.Quote(strings.TrimPrefix(err.Error(), "x509: ")))
	}
	d, err := describe(public)
	if err != nil {
		return "", err
	}
	d.Certificate = certificate
	return d.text()
}

// readers are for the types of blocks with a public key. They return it, and
// the certificate that it was in, by whose thumbprint tokens may name it.
var readers = map[string]func(der []byte) (public crypto.PublicKey, certificate [][]byte, err error){
	"PUBLIC KEY": func(der []byte) (crypto.PublicKey, [][]byte, error) {
		public, err := x509.ParsePKIXPublicKey(der)
		return public, nil, err
	},
	"RSA PUBLIC KEY": func(der []byte) (crypto.PublicKey, [][]byte, error) {
		public, err := x509.ParsePKCS1PublicKey(der)
		return public, nil, err
	},
	"CERTIFICATE": func(der []byte) (crypto.PublicKey, [][]byte, error) {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, nil, err
		}
		if c.PublicKey == nil {
			return nil, nil, errors.New("the algorithm of its public key is not known")
		}
		return c.PublicKey, [][]byte{c.Raw}, nil
	},
}
