package jwkshttp_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

// A page opens a websocket. Browsers send no Authorization header with it, but
// they let a page name subprotocols:
//
//	new WebSocket(url, ["chat", "bearer." + token])
//
// The token is one of them. The server answers with another one, here "chat":
// it must select one that was offered, and not the one that holds the token.
func ExampleExtractor_websocket() {
	issuer, verifier, stop := startIssuer()
	defer stop()

	fromSubprotocol := func(r *http.Request) (string, error) {
		if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			return "", nil // other requests have a header for it
		}
		found := ""
		for _, line := range r.Header["Sec-Websocket-Protocol"] {
			for protocol := range strings.SplitSeq(line, ",") {
				token, ok := strings.CutPrefix(strings.TrimSpace(protocol), "bearer.")
				switch {
				case ok && found != "":
					return "", errors.New("two tokens") // answered 400
				case ok:
					found = token
				}
			}
		}
		return found, nil
	}
	protect := jwkshttp.Middleware(verifier, jwkshttp.WithExtractors(jwkshttp.BearerToken, fromSubprotocol))
	chat := protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := jwkshttp.TokenFromContext(r.Context())
		w.Header().Set("Sec-WebSocket-Protocol", "chat") // your websocket library does this
		fmt.Printf("%s joins\n", token.Subject())
	}))

	open := func(protocols string) {
		r := httptest.NewRequest("GET", "/chat", nil)
		r.Header.Set("Upgrade", "websocket")
		r.Header.Set("Sec-WebSocket-Protocol", protocols)
		w := httptest.NewRecorder()
		chat.ServeHTTP(w, r)
		fmt.Printf("%d, selected %q\n", w.Code, w.Header().Get("Sec-WebSocket-Protocol"))
	}
	token := issuer.Sign(map[string]any{"aud": "my-api", "sub": "alice"})
	open("chat, bearer." + token)
	open("chat")
	open("chat, bearer." + token + ", bearer." + token)
	// Output:
	// alice joins
	// 200, selected "chat"
	// 401, selected ""
	// 400, selected ""
}

// A download or an event stream that a page opens by its URL alone. URLs end up
// in logs, in histories and in the Referer of what the answer links to (RFC 6750
// section 2.3), so this is for one path, with tokens that live for a minute and
// have an audience of their own. The answer is kept from caches.
func ExampleExtractor_query() {
	issuer, verifier, stop := startIssuer()
	defer stop()

	fromQuery := func(r *http.Request) (string, error) {
		switch values := r.URL.Query()["access_token"]; len(values) {
		case 0:
			return "", nil
		case 1:
			return values[0], nil
		default:
			return "", errors.New("several access_token parameters") // answered 400
		}
	}
	protect := jwkshttp.Middleware(verifier, jwkshttp.WithExtractors(jwkshttp.BearerToken, fromQuery))
	mux := http.NewServeMux()
	mux.Handle("GET /events", protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "private, no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		token, _ := jwkshttp.TokenFromContext(r.Context())
		fmt.Fprintln(w, "events of", token.Subject())
	})))

	token := issuer.Sign(map[string]any{"aud": "my-api", "sub": "alice"})
	for _, query := range []string{"?access_token=" + token, "", "?access_token=" + token + "&access_token=x"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", "/events"+query, nil))
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	}
	// Output:
	// 200 events of alice
	// 401 Unauthorized
	// 400 Bad Request
}

// A token in a cookie, for the pages of the service itself. The name's prefix makes
// browsers insist on Secure, on the path "/", and on this very host (RFC 6265bis
// section 4.1.3). A browser sends cookies with requests that other sites cause
// too, so a defence against those stands in front.
func ExampleFromCookie() {
	issuer, verifier, stop := startIssuer()
	defer stop()

	const name = "__Host-token"
	protect := jwkshttp.Middleware(verifier, jwkshttp.WithExtractors(jwkshttp.BearerToken, jwkshttp.FromCookie(name)))
	service := http.NewCrossOriginProtection().Handler(protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := jwkshttp.TokenFromContext(r.Context())
		fmt.Fprintln(w, "hello", token.Subject())
	})))

	token := issuer.Sign(map[string]any{"aud": "my-api", "sub": "alice"})
	for _, site := range []string{"same-origin", "cross-site"} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("Sec-Fetch-Site", site) // as browsers do
		r.AddCookie(&http.Cookie{Name: name, Value: token})
		w := httptest.NewRecorder()
		service.ServeHTTP(w, r)
		fmt.Println(site, w.Code)
	}
	// Output:
	// same-origin 200
	// cross-site 403
}

// A page of another origin calls the service with a token. CORS stands in front of
// the middleware, because preflight requests carry no token. A page sees only
// those headers of an answer that the service names: without this one it gets a
// 401 or 503 and cannot tell why, nor when to come back.
func ExampleMiddleware_crossOrigin() {
	issuer, verifier, stop := startIssuer()
	defer stop()

	const page = "https://app.example"
	cors := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("Vary", "Origin")
			if r.Header.Get("Origin") == page {
				w.Header().Set("Access-Control-Allow-Origin", page)
				w.Header().Set("Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After")
			}
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
				w.Header().Set("Access-Control-Allow-Methods", "GET, POST")
				w.WriteHeader(http.StatusNoContent)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	service := cors(jwkshttp.Middleware(verifier)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "orders")
	})))

	send := func(method, token string) {
		r := httptest.NewRequest(method, "/orders", nil)
		r.Header.Set("Origin", page)
		if method == http.MethodOptions {
			r.Header.Set("Access-Control-Request-Method", "GET")
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		service.ServeHTTP(w, r)
		fmt.Println(method, w.Code, "exposes", w.Header().Get("Access-Control-Expose-Headers"))
	}
	send("OPTIONS", "")
	send("GET", "")
	send("GET", issuer.Sign(map[string]any{"aud": "my-api"}))
	// Output:
	// OPTIONS 204 exposes WWW-Authenticate, Retry-After
	// GET 401 exposes WWW-Authenticate, Retry-After
	// GET 200 exposes WWW-Authenticate, Retry-After
}

// startIssuer stands for your identity provider and the verifier of its tokens.
func startIssuer() (*jwkstest.Issuer, *jwks.Verifier, func()) {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"))
	client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()))
	if err != nil {
		panic(err)
	}
	verifier, err := jwks.NewVerifier(client, jwks.WithAudience("my-api"))
	if err != nil {
		panic(err)
	}
	return issuer, verifier, func() {
		_ = client.Close()
		issuer.Close()
	}
}
