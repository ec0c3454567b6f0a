package jwks

// algorithm is one JWS signature algorithm that this package verifies. EdDSA
// and Ed25519 are two names of one (RFC 9864 section 2.2).
type algorithm uint8

const (
	algUnknown algorithm = iota
	algRS256
	algRS384
	algRS512
	algPS256
	algPS384
	algPS512
	algES256
	algES384
	algES512
	algEdDSA
	algMLDSA44
	algMLDSA65
	algMLDSA87
)

// algorithms is a set of them.
type algorithms uint32

const allAlgorithms = ^algorithms(0)

func (s algorithms) has(a algorithm) bool        { return s&(1<<a) != 0 }
func (s algorithms) with(a algorithm) algorithms { return s | 1<<a }

// algorithmNamed reads an "alg". "none", the symmetric algorithms and whatever
// else is not a public key signature are algUnknown.
func algorithmNamed(name string) algorithm {
	switch name {
	case "RS256":
		return algRS256
	case "RS384":
		return algRS384
	case "RS512":
		return algRS512
	case "PS256":
		return algPS256
	case "PS384":
		return algPS384
	case "PS512":
		return algPS512
	case "ES256":
		return algES256
	case "ES384":
		return algES384
	case "ES512":
		return algES512
	case "EdDSA", "Ed25519":
		return algEdDSA
	case "ML-DSA-44":
		return algMLDSA44
	case "ML-DSA-65":
		return algMLDSA65
	case "ML-DSA-87":
		return algMLDSA87
	}
	return algUnknown
}

// algorithmSet reads a list of names; unknown ones are left out.
func algorithmSet(names []string) algorithms {
	var s algorithms
	for _, n := range names {
		if a := algorithmNamed(n); a != algUnknown {
			s = s.with(a)
		}
	}
	return s
}
