package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const good = `name: good
on: push
permissions:
  contents: read
jobs:
  one:
    runs-on: ubuntu-latest
    timeout-minutes: 5
    permissions:
      contents: read
      security-events: write
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
        with:
          persist-credentials: false
      - uses: github/codeql-action/init@cdf488f595d80d6e07e03d4674febd5ab45fa938 # v4.37.9
      - run: echo "$NAME"
        env:
          NAME: ${{ github.ref_name }}
`

// TestWorkflow_Rules breaks one rule at a time in a workflow that keeps all.
func TestWorkflow_Rules(t *testing.T) {
	if problems := checkWorkflow("good.yml", []byte(good)); len(problems) > 0 {
		t.Fatalf("the good workflow: %q", problems)
	}
	tests := []struct{ rule, old, new, want string }{
		{"it is YAML", "jobs:", "jobs: [", "could not parse as YAML"},
		{"actionlint's rules hold", "runs-on: ubuntu-latest", "runs_on: ubuntu-latest", "runs_on"},
		{"an action is not pinned by a tag", "checkout@3d3c42e5aac5ba805825da76410c181273ba90b1", "checkout@v7", "not pinned"},
		{"nor by a short commit", "3d3c42e5aac5ba805825da76410c181273ba90b1", "3d3c42e", "not pinned"},
		{"in flow style neither", "- run: echo \"$NAME\"\n        env:\n          NAME: ${{ github.ref_name }}", "- {uses: actions/setup-go@v6}", "not pinned"},
		{"an image is not an action", "github/codeql-action/init@cdf488f595d80d6e07e03d4674febd5ab45fa938 # v4.37.9", "docker://alpine:3 # v3.0.0", "not pinned"},
		{"a pin tells its version", " # v7.0.1", "", "does not say its version"},
		{"checkout leaves no token", "persist-credentials: false", "persist-credentials: true", "persist-credentials"},
		{"permissions are named", "permissions:\n  contents: read\njobs", "jobs", "no permissions at the top"},
		{"not all of them", "permissions:\n  contents: read\njobs", "permissions: write-all\njobs", "write-all"},
		{"a job does not get all of them", "permissions:\n      contents: read\n      security-events: write", "permissions: write-all", "more than any job needs"},
		{"the whole workflow only reads", "  contents: read\njobs", "  contents: write\njobs", "belongs to the job"},
		{"a job writes what its steps need", "      contents: read\n      security-events: write", "      contents: write", "no step that needs it"},
		{"no other permission", "security-events: write", "packages: write", "no step that needs it"},
		{"a job ends", "    timeout-minutes: 5\n", "", "no timeout-minutes"},
		{"strangers get no token", "on: push", "on: pull_request_target", "pull_request_target"},
		{"a script is not made of input", "echo \"$NAME\"", "echo ${{ github.ref_name }}", "${{ }}"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			broken := strings.Replace(good, tt.old, tt.new, 1)
			if broken == good {
				t.Fatal("nothing was replaced")
			}
			if problems := strings.Join(checkWorkflow("bad.yml", []byte(broken)), "\n"); !strings.Contains(problems, tt.want) {
				t.Errorf("problems %q, want one with %q", problems, tt.want)
			}
		})
	}
}

func write(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDependabot_LooksAfterAll(t *testing.T) {
	root := t.TempDir()
	entry := func(ecosystem, directory string) string {
		return "  - {package-ecosystem: " + ecosystem + ", directory: " + directory + ", schedule: {interval: weekly}, groups: {all: {patterns: ['*']}}}\n"
	}
	complete := "version: 2\nupdates:\n" + entry("gomod", "/") + entry("gomod", "/contrib/*") + entry("npm", "/web") + entry("github-actions", "/")
	write(t, root, map[string]string{
		"go.mod": "module m\n", "contrib/a/go.mod": "module m/contrib/a\n", "web/package.json": "{}",
		"web/node_modules/x/package.json": "{}",
	})
	tests := []struct{ rule, config, want string }{
		{"all is looked after", complete, ""},
		{"a nested module is missed", strings.Replace(complete, "/contrib/*", "/contribs/*", 1), "gomod looks after /contrib/a"},
		{"a package.json is missed", strings.Replace(complete, "/web", "/site", 1), "npm looks after /web"},
		{"the workflows are missed", strings.Replace(complete, "github-actions", "docker", 1), "github-actions looks after /"},
		{"updates come in groups", strings.Replace(complete, ", groups: {all: {patterns: ['*']}}", "", 1), "no groups"},
		{"it is YAML", complete + " }", "dependabot.yml"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			write(t, root, map[string]string{".github/dependabot.yml": tt.config})
			problems := strings.Join(checkDependabot(root), "\n")
			if tt.want == "" && problems != "" || !strings.Contains(problems, tt.want) {
				t.Errorf("problems %q, want %q", problems, tt.want)
			}
		})
	}
}

func TestTemplate_Form(t *testing.T) {
	const form = "name: n\ndescription: d\nbody:\n  - {type: input, id: one, attributes: {label: l}}\n"
	tests := []struct{ rule, text, want string }{
		{"a form", form, ""},
		{"no name", strings.Replace(form, "name: n\n", "", 1), "want name"},
		{"an unknown element", strings.Replace(form, "input", "field", 1), "unknown type"},
		{"an id twice", form + "  - {type: input, id: one, attributes: {label: l}}\n", "an id of its own"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "form.yml")
			if err := os.WriteFile(file, []byte(tt.text), 0o644); err != nil {
				t.Fatal(err)
			}
			err := checkTemplate(file)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// TestWorkflows_OfThisTree is what `make lint` runs.
func TestWorkflows_OfThisTree(t *testing.T) {
	var out strings.Builder
	if bad := checkWorkflows(&out, "../.."); bad > 0 {
		t.Error(out.String())
	}
	if bad := checkWorkflows(io.Discard, t.TempDir()); bad == 0 {
		t.Error("a tree without workflows passes")
	}
}
