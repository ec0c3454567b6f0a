package fetch

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/show"
)

func TestErrorText(t *testing.T) {
	long := "https://login.example/" + strings.Repeat("t", 50) + "/discovery/v2.0/keys"
	tests := []struct {
		rule string
		err  *Error
		want string
	}{
		{"the URL and the cause are named", &Error{URL: docURL, Err: io.EOF}, "GET " + docURL + ": EOF"},
		{"Retry-After is named", &Error{URL: docURL, Err: errors.New(statusText(503)), StatusCode: 503, RetryAfter: time.Minute},
			"GET " + docURL + ": answered 503 Service Unavailable, expected 200 (retry after 1m0s)"},
		{"a long URL keeps both of its ends", &Error{URL: long, Err: io.EOF},
			"GET https://login.example/ttttttttttttttt…tttt/discovery/v2.0/keys: EOF"},
		{"a URL that breaks the line is quoted", &Error{URL: "a\nb", Err: io.EOF}, `GET "a\nb": EOF`},
		{"no URL is visible", &Error{Err: io.EOF}, `GET "": EOF`},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			if got := tt.err.Error(); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestTransportErrors(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 443}, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	missing := &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "idp.example", Server: "10.0.0.53:53", IsNotFound: true}}
	slow := &net.DNSError{Err: "i/o timeout", Name: "idp.example", IsTimeout: true}
	tests := []struct {
		rule  string
		err   error
		want  string
		match error // nil: not checked
	}{
		{"a refused connection", refused, "dial tcp 10.0.0.1:443: connection refused", syscall.ECONNREFUSED},
		{"an unknown host", missing, `lookup of "idp.example": no such host`, missing.Err},
		{"a slow name server", slow, `lookup of "idp.example": "i/o timeout"`, os.ErrDeadlineExceeded},
		{"no answer at all", io.EOF, "the connection was closed before an answer came (EOF)", io.EOF},
		{"a certificate for another host", &tls.CertificateVerificationError{Err: x509.HostnameError{Host: "idp.example", Certificate: &x509.Certificate{DNSNames: []string{"FOREIGN"}}}},
			`the server's certificate is not for "idp.example"`, nil},
		{"a certificate of an unknown authority", &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, "the server's certificate is signed by an unknown authority: see WithTLSConfig", nil},
		{"an expired certificate", x509.CertificateInvalidError{Reason: x509.Expired}, "the server's certificate has expired or is not yet valid", nil},
		{"a certificate that is refused for something else", x509.CertificateInvalidError{Reason: x509.TooManyIntermediates}, `"x509: too many intermediates for path length constraint"`, nil},
		{"one that a check of the user's refuses", &tls.CertificateVerificationError{Err: errors.New("not pinned")}, `"not pinned"`, nil},
		{"an error of this module", fault.Invalid(`the address "10.0.0.1" is not public`), `the address "10.0.0.1" is not public`, fault.ErrTokenInvalid},
		{"an alert, however net/http wraps it", fmt.Errorf("readLoopPeekFailLocked: %w", &net.OpError{Op: "remote error", Err: tls.AlertError(48)}),
			`"remote error: tls: unknown certificate authority"`, nil},
		{"the URL of a url.Error is not repeated", &url.Error{Op: "Get", URL: "https://x/?k=SECRET", Err: &url.Error{Op: "Get", URL: "SECRET", Err: refused}},
			"dial tcp 10.0.0.1:443: connection refused", syscall.ECONNREFUSED},
		{"a query in a text is not shown", fmt.Errorf("tracing: %w", &url.Error{Op: "Get", URL: "https://x/?k=SECRET", Err: errors.New("gone")}),
			`"tracing: Get \"https://x/?…\": gone"`, nil},
		{"a password of a proxy is not shown", errors.New(`invalid proxy address http://u:SECRET@proxy:3128/: x`), `"invalid proxy address http://…@proxy:3128/: x"`, nil},
		{"a password with a question mark is not shown", errors.New(`proxy http://u:SE?CRET@proxy:3128`), `"proxy http://…"`, nil},
		{"an empty user name is not shown either", errors.New("at https://@h/"), `"at https://…@h/"`, nil},
		{"nor a query alone, of one character, or of a path without one", errors.New("at ?k /?k /x? ?"), `"at ?… /?… /x? ?"`, nil},
		{"the query of a path is not shown", errors.New("at /jwks?k=SECRET, why?"), `"at /jwks?… why?"`, nil},
		{"a foreign text is quoted and cut", errors.New("a\nb\x00" + strings.Repeat("ä", 100)), `"a\nb\x00` + strings.Repeat("ä", 28) + `…"`, nil},
		{"a text that is not UTF-8 is quoted and cut", errors.New(strings.Repeat("\x80", 1000)), `"` + strings.Repeat(`\x80`, 57) + `…"`, nil},
		{"a long host name is cut", &net.DNSError{Name: strings.Repeat("h", 200), IsNotFound: true}, `lookup of "` + strings.Repeat("h", 61) + `…": no such host`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			_, err := New(config(func(*http.Request) (*http.Response, error) { return nil, tt.err })).Get(t.Context(), Request{URL: docURL})
			e := mustFail(t, err)
			if got := strings.TrimPrefix(e.Error(), "GET "+docURL+": "); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if tt.match != nil && !errors.Is(err, tt.match) {
				t.Errorf("%v does not match %v", err, tt.match)
			}
		})
	}
}

func TestAnErrorOfTheTransportCanBeInspected(t *testing.T) {
	_, err := New(config(func(*http.Request) (*http.Response, error) {
		return nil, &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
	})).Get(t.Context(), Request{URL: docURL})
	var ca x509.UnknownAuthorityError
	if !errors.As(err, &ca) {
		t.Errorf("%v does not hold the error of crypto/x509", err)
	}
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("%v is a timeout", err)
	}
}

// net/http dials with the deadline of the context; its timeout matches
// context.DeadlineExceeded and may come a moment before the context ends.
func TestATimeoutOfTheDialerIsNoContextError(t *testing.T) {
	dialer := &net.Dialer{Deadline: time.Now().Add(-time.Hour)}
	_, dialErr := dialer.DialContext(t.Context(), "tcp", "127.0.0.1:1")
	if !errors.Is(dialErr, context.DeadlineExceeded) {
		t.Fatalf("the error %v of a late dialer shows nothing", dialErr)
	}
	_, err := New(config(func(*http.Request) (*http.Response, error) { return nil, dialErr })).Get(t.Context(), Request{URL: docURL})
	if e := mustFail(t, err); !errors.Is(e, os.ErrDeadlineExceeded) {
		t.Errorf("%v does not match os.ErrDeadlineExceeded", err)
	}
}

// wire returns a client of net/http proper whose server writes what serve
// writes, over a pipe: no port, and no clock but that of the test.
func wire(t *testing.T, serve func(net.Conn)) *http.Client {
	var servers sync.WaitGroup
	t.Cleanup(servers.Wait)
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			servers.Go(func() {
				defer theirs.Close()
				if _, err := http.ReadRequest(bufio.NewReader(theirs)); err == nil {
					serve(theirs)
				}
			})
			return ours, nil
		},
	}}
}

// What a server writes reaches the errors of net/http in many ways. None of
// them may bring more than 64 bytes into ours, or a second line.
func TestForeignTextOnTheWire(t *testing.T) {
	junk := strings.Repeat("JUNK\x1b[31m ", 300)
	tests := []struct{ rule, answer, want string }{
		{"no HTTP at all", junk + "\r\n\r\n", "malformed HTTP"},
		{"a status text", "HTTP/1.1 500 " + junk + "\r\nContent-Length: 0\r\n\r\n", "answered 500 Internal Server Error, expected 200"},
		{"a status code", "HTTP/1.1 " + strings.ReplaceAll(junk, " ", "") + "\r\n\r\n", "malformed HTTP"},
		{"a header line", "HTTP/1.1 200 OK\r\n" + junk + "\r\n\r\n", "malformed MIME header"},
		{"a Content-Length", "HTTP/1.1 200 OK\r\nContent-Length: " + junk + "\r\n\r\n", ""},
		{"a Transfer-Encoding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + strings.ReplaceAll(junk, "\x1b", "") + "\r\n\r\n", ""},
		{"a Location", "HTTP/1.1 302 Found\r\nLocation: https://[" + strings.ReplaceAll(junk, "\x1b", "") + "\r\nContent-Length: 0\r\n\r\n", "failed to parse Location"},
		{"a Retry-After", "HTTP/1.1 503 x\r\nRetry-After: " + strings.ReplaceAll(junk, "\x1b", "") + "\r\nContent-Length: 0\r\n\r\n", "answered 503"},
		{"a chunk size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + junk + "\r\n", ""},
		{"a switch of protocols", "HTTP/1.1 101 " + junk + "\r\nConnection: upgrade\r\nUpgrade: JUNK\r\n\r\n", "answered 101"},
		{"a header without end", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("JUNK", 1<<20), ""},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := wire(t, func(conn net.Conn) { io.WriteString(conn, tt.answer) })
				c.Transport.(*http.Transport).MaxResponseHeaderBytes = 64 << 10
				_, err := New(Config{Client: c, MaxSize: 1024, Timeout: time.Second, AllowHTTP: true}).Get(t.Context(), Request{URL: "http://idp.example/"})
				e := mustFail(t, err)
				got := e.Error()
				if !strings.Contains(got, tt.want) || strings.Count(got, "JUNK")*len("JUNK") > show.Limit || !utf8.ValidString(got) || strings.Contains(got, "\x1b") {
					t.Errorf("error %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// The same with the body, where net/http itself keeps the books.
func TestBodiesOnTheWire(t *testing.T) {
	tests := []struct {
		rule  string
		serve func(net.Conn)
		want  string // "" for a Response
		took  time.Duration
	}{
		{"a whole body", func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") }, "", 0},
		{"a chunked body", func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
		}, "", 0},
		{"a body shorter than its Content-Length", func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}") },
			"the answer ended too early (unexpected EOF)", 0},
		{"a chunked body without its end", func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")
		}, "the answer ended too early (unexpected EOF)", 0},
		{"a body of one byte a second", func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
			for {
				if _, err := c.Write([]byte(" ")); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}, "no answer within 5s", 5 * time.Second},
		{"a header of one byte a second", func(c net.Conn) {
			for {
				if _, err := c.Write([]byte("H")); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}, "no answer within 5s", 5 * time.Second},
		{"an endless body", func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			io.Copy(c, endless{})
		}, "longer than the limit of 1024 bytes", 0},
		{"silence", func(c net.Conn) { io.Copy(io.Discard, c) }, "no answer within 5s", 5 * time.Second},
		{"a closed connection", func(net.Conn) {}, "the connection was closed before an answer came (EOF)", 0},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				f := New(Config{Client: wire(t, tt.serve), MaxSize: 1024, Timeout: 5 * time.Second, AllowHTTP: true})
				resp, err := f.Get(t.Context(), Request{URL: "http://idp.example/"})
				if took := time.Since(start); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				if tt.want == "" {
					if err != nil || string(resp.Body) != "{}" {
						t.Errorf("%v, %v", resp, err)
					}
				} else if e := mustFail(t, err); !strings.Contains(e.Error(), tt.want) {
					t.Errorf("error %q, want %q", err, tt.want)
				}
			})
		})
	}
}
