package overlay

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRun_Results: passing, failing, not compiling and never ending are told
// apart, and the module itself stays as it is.
func TestRun_Results(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the go command; without -short")
	}
	root := t.TempDir()
	files := map[string]string{
		"go.mod":    "module m.example\n\ngo 1.25.0\n",
		"m.go":      "package m\n\nfunc f() int { return 1 }\n",
		"m_test.go": "package m\n\nimport \"testing\"\n\nfunc TestF(t *testing.T) {\n\tif f() != 1 {\n\t\tt.Fail()\n\t}\n}\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		content string
		limit   time.Duration
		want    Result
	}{
		{"package m\n\nfunc f() int { return 2 - 1 }\n", time.Minute, Passed},
		{"package m\n\nfunc f() int { return 2 }\n", time.Minute, Failed},
		{"package m\n\nfunc f() int { return \"\" }\n", time.Minute, NotCompiled},
		{"package m\n\nfunc f() int { for {} }\n", 10 * time.Second, TimedOut},
	} {
		got, output, err := Run{Root: root, Replace: map[string][]byte{"m.go": []byte(test.content)}, Packages: []string{"./..."}, Limit: test.limit}.Do(context.Background())
		if err != nil || got != test.want {
			t.Errorf("%q: %v, %v, want %v\n%s", test.content, got, err, test.want, output)
		}
	}
	if text, err := os.ReadFile(filepath.Join(root, "m.go")); err != nil || string(text) != files["m.go"] {
		t.Errorf("the module changed: %q, %v", text, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := (Run{Root: root, Packages: []string{"./..."}}).Do(ctx); err == nil {
		t.Error("a cancelled run is told as one that was")
	}
	if names := []string{Passed.String(), Failed.String(), TimedOut.String(), NotCompiled.String()}; strings.Join(names, ",") != "passed,failed,timed out,does not compile" {
		t.Errorf("%q", names)
	}
}
