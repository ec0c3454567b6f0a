package jwkshttp_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-22400188/jwks/jwkshttp"
)

// browser is headless Chromium behind a proxy that records where it wants to.
type browser struct {
	path, dir string
	proxy     *httptest.Server

	mu   sync.Mutex
	asks []string
}

func newBrowser(t *testing.T, pages http.Handler) *browser {
	t.Helper()
	b := &browser{dir: t.TempDir()}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			b.path = path
			break
		}
	}
	if b.path == "" {
		t.Skip("no Chromium here; on Debian: apt-get install chromium")
	}
	b.proxy = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		b.asks = append(b.asks, r.Method+" "+r.Host+r.URL.Path)
		b.mu.Unlock()
		if r.Host != "page.example" {
			http.Error(w, "not for the page", http.StatusForbidden)
			return
		}
		pages.ServeHTTP(w, r)
	}))
	t.Cleanup(b.proxy.Close)
	return b
}

// open loads http://page.example/path and returns what the console says, where
// requests went, the document as rendered, and a picture of it.
func (b *browser) open(t *testing.T, path string, width, height int, more ...string) (console, asks []string, dom string, picture image.Image) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	shot := filepath.Join(b.dir, "page.png")
	run := func(args ...string) (stdout, stderr string) {
		args = append([]string{"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
			"--disable-sync", "--no-first-run", "--disable-extensions", "--disable-features=OptimizationHints,MediaRouter,Translate", "--hide-scrollbars", "--enable-logging=stderr",
			"--user-data-dir=" + filepath.Join(b.dir, "profile"), "--proxy-server=" + b.proxy.URL, fmt.Sprintf("--window-size=%d,%d", width, height)}, args...)
		cmd := exec.CommandContext(ctx, b.path, args...)
		cmd.WaitDelay = 10 * time.Second
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd.Args, err, errs.String())
		}
		return out.String(), errs.String()
	}
	b.mu.Lock()
	b.asks = nil
	b.mu.Unlock()
	url := "http://page.example" + path
	dom, stderr := run(append(more, "--screenshot="+shot, "--dump-dom", url)...)
	for line := range strings.Lines(stderr) {
		if strings.Contains(line, "CONSOLE") {
			console = append(console, strings.TrimSpace(line))
		}
	}
	b.mu.Lock()
	asks = b.asks
	b.mu.Unlock()
	data, err := os.ReadFile(shot)
	if err != nil {
		t.Fatal(err)
	}
	if picture, err = png.Decode(bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	return console, asks, dom, picture
}

// foreign are the requests that did not go to the page itself.
func foreign(asks []string, path string) (others []string) {
	own := regexp.MustCompile(`^[A-Z]+ [a-z0-9.-]+\.(google|googleapis|gvt1|chromium)\.(com|org)\b`) // the browser's own errands
	for _, ask := range asks {
		if ask != "GET page.example"+path && !own.MatchString(ask) {
			others = append(others, ask)
		}
	}
	return others
}

// TestStatusHandler_InChromium: the page renders with hostile kids and errors,
// runs nothing, and loads nothing. JWKS_SCREENSHOT names a file for the picture.
func TestStatusHandler_InChromium(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	mux := http.NewServeMux()
	mux.Handle("/keys", jwkshttp.StatusHandler(hostileStatuses(time.Now())))
	all := hostileStatuses(time.Now())
	mux.Handle("/tame", jwkshttp.StatusHandler(append(all[:2:2], all[3:]...))) // for the picture
	mux.HandleFunc("/control", func(w http.ResponseWriter, _ *http.Request) {  // what the test would notice
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<link rel="icon" href="data:,"><script>console.error("noticed")</script><img src="http://foreign.example/x.png">`))
	})
	b := newBrowser(t, mux)

	console, asks, _, _ := b.open(t, "/control", 400, 300)
	if others := foreign(asks, "/control"); !strings.Contains(strings.Join(console, "\n"), "noticed") || !slices.Contains(others, "GET foreign.example/x.png") {
		t.Fatalf("this browser does not tell: console %q, requests %q", console, asks)
	}
	console, asks, dom, picture := b.open(t, "/keys", 390, 844) // a phone
	if len(console) > 0 {
		t.Errorf("the console says %q", console)
	}
	if others := foreign(asks, "/keys"); len(others) > 0 || !slices.Contains(asks, "GET page.example/keys") {
		t.Errorf("requests to %q", asks)
	}
	if strings.Contains(dom, "<script") || strings.Contains(dom, "<img") || !strings.Contains(dom, "3 of 5 issuers in trouble") || strings.Count(dom, "<section") != 5 {
		t.Errorf("rendered as %s", dom)
	}
	_, _, _, dark := b.open(t, "/keys", 390, 844, "--force-dark-mode", "--blink-settings=preferredColorScheme=0")
	if light, dim := brightness(picture), brightness(dark); light < 0.7 || dim > 0.4 {
		t.Errorf("brightness %.2f in light, %.2f in dark", light, dim)
	}
	if file := os.Getenv("JWKS_SCREENSHOT"); file != "" {
		_, _, _, picture = b.open(t, "/tame", 900, 1250)
		out, err := os.Create(file)
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		if err := png.Encode(out, picture); err != nil {
			t.Fatal(err)
		}
	}
}

// brightness is the mean of a picture, from 0 to 1.
func brightness(p image.Image) float64 {
	sum, n := 0.0, 0.0
	for y := p.Bounds().Min.Y; y < p.Bounds().Max.Y; y += 7 {
		for x := p.Bounds().Min.X; x < p.Bounds().Max.X; x += 7 {
			r, g, b, _ := p.At(x, y).RGBA()
			sum += float64(r+g+b) / (3 * 65535)
			n++
		}
	}
	return sum / n
}
