package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/rhysd/actionlint"
)

// checkWorkflows checks everything in .github and returns how many problems it
// printed. A tree without workflows has one.
func checkWorkflows(out io.Writer, root string) (bad int) {
	complain := func(format string, args ...any) {
		bad++
		fmt.Fprintf(out, format+"\n", args...)
	}
	files, err := filepath.Glob(filepath.Join(root, ".github", "workflows", "*.y*ml"))
	if err != nil || len(files) == 0 {
		complain("%s: no workflows: %v", root, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			complain("%v", err)
			continue
		}
		for _, problem := range checkWorkflow(file, content) {
			complain("%s: %s", file, problem)
		}
	}
	for _, problem := range checkDependabot(root) {
		complain("%s", problem)
	}
	for _, problem := range checkTemplates(root) {
		complain("%s", problem)
	}
	return bad
}

// checkWorkflow says what is wrong with one workflow: whatever actionlint finds,
// and what this project asks for besides.
func checkWorkflow(file string, content []byte) (problems []string) {
	// Tools that happen to be installed must not change the verdict.
	linter, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{Shellcheck: "", Pyflakes: ""})
	if err != nil {
		return []string{err.Error()}
	}
	found, err := linter.Lint(file, content, nil)
	if err != nil {
		return []string{err.Error()}
	}
	for _, e := range found {
		problems = append(problems, fmt.Sprintf("line %d: %s", e.Line, e.Message))
	}
	workflow, _ := actionlint.Parse(content) // its errors are among those above
	if workflow == nil {
		return problems
	}
	lines := bytes.Split(content, []byte("\n"))
	problems = append(problems, checkTriggers(workflow)...)
	problems = append(problems, checkReadOnly(workflow)...)
	for _, id := range sortedKeys(workflow.Jobs) {
		problems = append(problems, checkJob(workflow.Jobs[id], lines)...)
	}
	return problems
}

// checkTriggers refuses the events that hand a write token to what strangers
// send.
func checkTriggers(w *actionlint.Workflow) (problems []string) {
	for _, event := range w.On {
		if name := event.EventName(); name == "pull_request_target" || name == "workflow_run" {
			problems = append(problems, "trigger "+name+" gives a write token to code of strangers")
		}
	}
	return problems
}

// checkReadOnly wants that the workflow as a whole may read and no more.
func checkReadOnly(w *actionlint.Workflow) (problems []string) {
	if w.Permissions == nil {
		return []string{"no permissions at the top: want \"permissions: {}\" or \"contents: read\""}
	}
	if all := w.Permissions.All; all != nil {
		problems = append(problems, "permissions: "+all.Value+" is more than any workflow needs")
	}
	for _, scope := range sortedKeys(w.Permissions.Scopes) {
		if value := w.Permissions.Scopes[scope].Value.Value; scope != "contents" || value != "read" {
			problems = append(problems, fmt.Sprintf("permission %s: %s belongs to the job that needs it", scope, value))
		}
	}
	return problems
}

// needed says which steps justify a permission to write.
var needed = map[string]*regexp.Regexp{
	"security-events": regexp.MustCompile(`^github/codeql-action/`),
	"id-token":        regexp.MustCompile(`^ossf/scorecard-action@`),
	"contents":        regexp.MustCompile(`(?m)^gh release create `),
}

var (
	pinned  = regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40}$`)
	comment = regexp.MustCompile(`# v\d+\.\d+\.\d+$`)
)

func checkJob(job *actionlint.Job, lines [][]byte) (problems []string) {
	complain := func(pos *actionlint.Pos, format string, args ...any) {
		problems = append(problems, fmt.Sprintf("line %d: job %s: ", pos.Line, job.ID.Value)+fmt.Sprintf(format, args...))
	}
	var does []string
	for _, step := range job.Steps {
		switch exec := step.Exec.(type) {
		case *actionlint.ExecAction:
			does = append(does, exec.Uses.Value)
			checkAction(exec, lines, complain)
		case *actionlint.ExecRun:
			does = append(does, exec.Run.Value)
			if strings.Contains(exec.Run.Value, "${{") {
				complain(exec.Run.Pos, "a script with ${{ }} in it: hand it over in env, where the shell does not read it as code")
			}
		}
	}
	if job.WorkflowCall != nil {
		complain(job.Pos, "calls a workflow; repocheck does not look into those")
	} else if job.TimeoutMinutes == nil {
		complain(job.Pos, "no timeout-minutes")
	}
	if job.Permissions == nil {
		return problems
	}
	if all := job.Permissions.All; all != nil {
		complain(job.Permissions.Pos, "permissions: %s is more than any job needs", all.Value)
	}
	for _, name := range sortedKeys(job.Permissions.Scopes) {
		scope := job.Permissions.Scopes[name]
		if scope.Value.Value != "write" {
			continue
		}
		why := needed[name]
		if why == nil || !slices.ContainsFunc(does, why.MatchString) {
			complain(scope.Name.Pos, "permission %s: write, and no step that needs it", name)
		}
	}
	return problems
}

func checkAction(exec *actionlint.ExecAction, lines [][]byte, complain func(*actionlint.Pos, string, ...any)) {
	uses := exec.Uses.Value
	if !pinned.MatchString(uses) {
		complain(exec.Uses.Pos, "%s is not pinned by a commit of 40 hexadecimal digits", uses)
	} else if line := lines[exec.Uses.Pos.Line-1]; !comment.Match(bytes.TrimSpace(line)) {
		complain(exec.Uses.Pos, "%s does not say its version: want a comment like \"# v1.2.3\"", uses)
	}
	if strings.HasPrefix(uses, "actions/checkout@") {
		if keep := exec.Inputs["persist-credentials"]; keep == nil || keep.Value.Value != "false" {
			complain(exec.Uses.Pos, "checkout without \"persist-credentials: false\" leaves its token to every later step")
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
