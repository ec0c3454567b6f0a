package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

const audience = "my-api"

// world is an issuer, the service that verifies, and an app behind a proxy.
type world struct {
	issuer *jwkstest.Issuer
	verify *httptest.Server
	app    *httptest.Server
}

func newWorld(t *testing.T) *world {
	t.Helper()
	issuer := jwkstest.New(t, jwkstest.WithAlgorithms("ES256"))
	keys, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()), jwks.WithRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.Close() })
	verifier, err := jwks.NewVerifier(keys, jwks.WithAudience(audience))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		issuer: issuer,
		verify: httptest.NewServer(newHandler(verifier, jwkshttp.RequireScopes("read"), jwkshttp.WithRealm("test"))),
		app: httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if r.URL.Path == "/broken" {
				rw.Header().Set("X-App", "1")
				rw.WriteHeader(len(body))
			}
			fmt.Fprintf(rw, "%s %s %s by %q of %q with %q", r.Method, r.URL.Path, body,
				r.Header["X-Auth-Subject"], r.Header["X-Auth-Issuer"], r.Header["X-Auth-Scopes"])
		})),
	}
	t.Cleanup(w.verify.Close)
	t.Cleanup(w.app.Close)
	return w
}

func (w *world) token(claims map[string]any) string {
	all := map[string]any{"aud": audience, "sub": "alice", "scope": "read write"}
	for name, value := range claims {
		all[name] = value
	}
	return w.issuer.Sign(all)
}

// answer is what a client gets.
type answer struct {
	status     int
	body       string
	challenges []string
	header     http.Header
}

func send(t *testing.T, method, url, body string, header http.Header) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, string(b), response.Header["Www-Authenticate"], response.Header}
}

func bearing(tokens ...string) http.Header {
	h := http.Header{}
	for _, token := range tokens {
		h.Add("Authorization", "Bearer "+token)
	}
	return h
}

// refusals are the same for a proxy and for the clients behind it.
func refusals(w *world) []struct {
	name      string
	header    http.Header
	status    int
	challenge string // "": none
} {
	return []struct {
		name      string
		header    http.Header
		status    int
		challenge string
	}{
		{"no token", http.Header{}, 401, `Bearer realm="test"`},
		{"expired", bearing(w.token(map[string]any{"exp": 1})), 401, `error="invalid_token"`},
		{"another audience", bearing(w.token(map[string]any{"aud": "x"})), 401, `error="invalid_token"`},
		{"without the scope", bearing(w.token(map[string]any{"scope": "write"})), 403, `error="insufficient_scope"`},
		{"malformed", http.Header{"Authorization": {"Bearer a b"}}, 400, `error="invalid_request"`},
		{"a subject that no header holds", bearing(w.token(map[string]any{"sub": "alice\n"})), 403, ""},
	}
}

func (w *world) check(t *testing.T, url string) {
	t.Helper()
	for _, tt := range refusals(w) {
		got := send(t, "GET", url, "", tt.header)
		one := len(got.challenges) == 1 && strings.Contains(got.challenges[0], tt.challenge)
		if got.status != tt.status || tt.challenge != "" && !one || tt.challenge == "" && got.challenges != nil {
			t.Errorf("%s: %d %q, want %d with %q", tt.name, got.status, got.challenges, tt.status, tt.challenge)
		}
		if strings.Contains(got.body, "by") || strings.Contains(got.body, "jwkstest") {
			t.Errorf("%s: the client sees %q", tt.name, got.body)
		}
	}
}

func TestHandler_Answers(t *testing.T) {
	w := newWorld(t)
	w.check(t, w.verify.URL)
	got := send(t, "GET", w.verify.URL, "", bearing(w.token(nil)))
	if got.status != 204 || got.header.Get("X-Auth-Subject") != "alice" || got.header.Get("X-Auth-Scopes") != "read write" ||
		got.header.Get("X-Auth-Issuer") != w.issuer.URL() {
		t.Errorf("a valid token: %d %v", got.status, got.header)
	}
}

// TestNginx_KeepsAnswers is nginx.conf with a real nginx.
func TestNginx_KeepsAnswers(t *testing.T) {
	w := newWorld(t)
	proxy := startNginx(t, w)
	w.check(t, proxy)

	forged := bearing(w.token(nil))
	forged.Set("X-Auth-Subject", "root")
	forged.Set("X-Auth-Scopes", "all")
	got := send(t, "POST", proxy+"/notes", "hello", forged)
	want := `POST /notes hello by ["alice"] of ["` + w.issuer.URL() + `"] with ["read write"]`
	if got.status != 200 || got.body != want {
		t.Errorf("a valid token, forged headers: %d %q, want %q", got.status, got.body, want)
	}
	nobody := bearing(w.token(map[string]any{"sub": nil}))
	nobody.Set("X-Auth-Subject", "root")
	if got := send(t, "GET", proxy+"/notes", "", nobody); got.status != 200 || !strings.Contains(got.body, "by [] of") {
		t.Errorf("a token without a subject, forged header: %d %q", got.status, got.body)
	}
	if got := send(t, "GET", proxy+"/notes", "", bearing(w.token(nil), w.token(nil))); got.status != 400 {
		t.Errorf("two tokens: %d, want 400", got.status)
	}
	if got := send(t, "GET", proxy+"/_verify", "", bearing(w.token(nil))); got.status != 404 {
		t.Errorf("the inner location from outside: %d, want 404", got.status)
	}
	for _, status := range []int{400, 401, 403, 500, 503} {
		got := send(t, "POST", proxy+"/broken", strings.Repeat("x", status), bearing(w.token(nil)))
		if got.status != status || got.header.Get("X-App") == "" || got.challenges != nil || !strings.HasPrefix(got.body, "POST /broken") {
			t.Errorf("the app's own %d: %d %q", status, got.status, got.body)
		}
	}
}

// TestNginx_Outage is 503 and when to come back, whoever is away.
func TestNginx_Outage(t *testing.T) {
	w := newWorld(t)
	proxy := startNginx(t, w)
	w.issuer.SetFault(jwkstest.Status(503))
	send(t, "GET", proxy, "", bearing(w.token(nil))) // the first one fails, then a backoff runs
	if got := send(t, "GET", proxy, "", bearing(w.token(nil))); got.status != 503 || got.challenges != nil || got.header.Get("Retry-After") == "" {
		t.Errorf("keys unavailable: %d, challenge %q, Retry-After %q, want 503 and when to come back",
			got.status, got.challenges, got.header.Get("Retry-After"))
	}
	w.verify.Close()
	if got := send(t, "GET", proxy, "", bearing(w.token(nil))); got.status != 503 || got.challenges != nil {
		t.Errorf("nobody to ask: %d, challenge %q, want 503", got.status, got.challenges)
	}
}

// startNginx starts nginx with nginx.conf on a free port, and returns its URL.
func startNginx(t *testing.T, w *world) string {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if errors.Is(err, exec.ErrNotFound) {
		path, err = exec.LookPath("/usr/sbin/nginx")
	}
	if err != nil {
		t.Skipf("nginx is not installed (%v): apt-get install nginx-light", err)
	}
	conf, err := os.ReadFile("nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	site := string(conf)
	for from, to := range map[string]string{
		"127.0.0.1:8080": listener.Addr().String(),
		"127.0.0.1:9000": w.verify.Listener.Addr().String(),
		"127.0.0.1:9001": w.app.Listener.Addr().String(),
	} {
		if strings.Count(site, from) != 1 {
			t.Fatalf("nginx.conf has %s %d times, want once", from, strings.Count(site, from))
		}
		site = strings.Replace(site, from, to, 1)
	}
	dir := t.TempDir()
	main := filepath.Join(dir, "main.conf")
	if err := os.WriteFile(main, []byte(mainConf(dir)+"http {\n\taccess_log off;\n"+tempPaths(dir)+site+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-p", dir, "-c", main, "-e", filepath.Join(dir, "error.log"))
	// nginx takes over a socket that it is given this way, so the port is its own
	// from the start and clients need not wait.
	cmd.ExtraFiles, cmd.Env = []*os.File{socket}, append(os.Environ(), "NGINX=3;")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = listener.Close(), socket.Close()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // the workers go with it
		_ = cmd.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Logf("nginx says:\n%s", log)
		}
	})
	return "http://" + listener.Addr().String()
}

// mainConf makes an nginx that stays in the foreground. (Without a master it
// crashes on the socket that it is given.)
func mainConf(dir string) string {
	return "daemon off;\nworker_processes 1;\npid " + filepath.Join(dir, "nginx.pid") + ";\nevents {}\n"
}

func tempPaths(dir string) string {
	var b strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&b, "\t%s_temp_path %s;\n", kind, filepath.Join(dir, kind))
	}
	return b.String()
}
