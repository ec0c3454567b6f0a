package strictjson

import "bytes"

// TrimBOM takes a byte order mark from the beginning of a document. RFC 8259
// section 8.1 forbids writers to add one and allows readers to ignore it; .NET
// and Windows editors add it. The readers of this package refuse one, as they
// must inside a token: who reads documents from elsewhere calls this first.
// Offsets in errors then count from behind the mark.
func TrimBOM(document []byte) []byte {
	return bytes.TrimPrefix(document, []byte("\xef\xbb\xbf"))
}
