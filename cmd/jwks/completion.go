package main

import (
	"context"
	"flag"
	"fmt"
	"strings"
)

func completionCommand() *command {
	return &command{
		name:    "completion",
		args:    "bash|zsh|fish",
		summary: "print a completion script for a shell",
		details: `  bash   source <(jwks completion bash)
  zsh    source <(jwks completion zsh)          after compinit
  fish   jwks completion fish | source
`,
		prepare: func(*flags) runner {
			return func(_ context.Context, p *program, args []string) (int, error) {
				if len(args) != 1 {
					return exitUsage, usagef("want one of bash, zsh, fish")
				}
				script, ok := map[string]func() string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}[args[0]]
				if !ok {
					return exitUsage, usagef("no script for %s, want one of bash, zsh, fish", quote(args[0]))
				}
				p.print(script())
				return exitOK, nil
			}
		},
	}
}

// words of one command: what may follow it.
func (c *command) words() (flagNames, values []string) {
	f := newFlags(c.name)
	c.prepare(f)
	f.VisitAll(func(one *flag.Flag) { flagNames = append(flagNames, "-"+one.Name) })
	switch c.name {
	case "completion":
		values = []string{"bash", "zsh", "fish"}
	case "help":
		values = topicNames()
	}
	return flagNames, values
}

func bashScript() string {
	var b strings.Builder
	b.WriteString("_jwks() {\n  local cur=${COMP_WORDS[COMP_CWORD]}\n  local words=\n  COMPREPLY=()\n")
	b.WriteString("  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    words=\"" + strings.Join(commandNames(), " ") + "\"\n  else\n    case ${COMP_WORDS[1]} in\n")
	for _, c := range commands() {
		flagNames, values := c.words()
		fmt.Fprintf(&b, "      %s) words=\"%s\" ;;\n", c.name, strings.Join(append(values, flagNames...), " "))
	}
	b.WriteString("    esac\n  fi\n  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -o default -F _jwks jwks\n")
	return b.String()
}

func zshScript() string {
	var b strings.Builder
	b.WriteString("#compdef jwks\n_jwks() {\n  if (( CURRENT == 2 )); then\n    local -a names\n    names=(\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "      '%s:%s'\n", c.name, strings.ReplaceAll(c.summary, "'", "’"))
	}
	b.WriteString("    )\n    _describe subcommand names\n    return\n  fi\n  case $words[2] in\n")
	for _, c := range commands() {
		flagNames, values := c.words()
		fmt.Fprintf(&b, "    %s) compadd -- %s ;;\n", c.name, strings.Join(append(values, flagNames...), " "))
	}
	b.WriteString("  esac\n  _files\n}\ncompdef _jwks jwks\n")
	return b.String()
}

func fishScript() string {
	var b strings.Builder
	b.WriteString("complete -c jwks -n __fish_use_subcommand -f\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "complete -c jwks -n __fish_use_subcommand -a %s -d '%s'\n", c.name, strings.ReplaceAll(c.summary, "'", "’"))
		f := newFlags(c.name)
		c.prepare(f)
		f.VisitAll(func(one *flag.Flag) {
			value, usage := flag.UnquoteUsage(one)
			requires := ""
			if value != "" {
				requires = " -r"
			}
			fmt.Fprintf(&b, "complete -c jwks -n '__fish_seen_subcommand_from %s' -o %s%s -d '%s'\n", c.name, one.Name, requires, strings.ReplaceAll(usage, "'", "’"))
		})
		if _, values := c.words(); values != nil {
			fmt.Fprintf(&b, "complete -c jwks -n '__fish_seen_subcommand_from %s' -f -a '%s'\n", c.name, strings.Join(values, " "))
		}
	}
	return b.String()
}
