package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// groups are how the overview sorts the commands: by what one came for.
var groups = []struct {
	title string
	names []string
}{
	{"A token was refused", []string{"verify", "inspect"}},
	{"An issuer misbehaves, or is new", []string{"doctor", "keys", "watch"}},
	{"Local development", []string{"serve"}},
	{"About this command", []string{"help", "version", "completion"}},
}

// overview is what jwks help prints.
func overview() string {
	var b strings.Builder
	b.WriteString("jwks verifies tokens (JWTs) and examines their issuers.\n\nusage: jwks SUBCOMMAND [flags] [argument]\n")
	for _, g := range groups {
		b.WriteString("\n" + g.title + "\n")
		for _, name := range g.names {
			fmt.Fprintf(&b, "  %-11s %s\n", name, commandNamed(name).summary)
		}
	}
	b.WriteString(`
Start here
  jwks verify -any-audience TOKEN          why is this token refused?
  jwks doctor https://login.example.com    is anything wrong with this issuer?

More: jwks help SUBCOMMAND, or one of the topics
`)
	for _, t := range topics {
		fmt.Fprintf(&b, "  %-11s %s\n", t.name, t.summary)
	}
	return b.String()
}

// help is what jwks help NAME and jwks NAME -h print.
func (c *command) help() string {
	f := newFlags(c.name)
	c.prepare(f)
	text := fmt.Sprintf("jwks %s: %s\n\nusage: jwks %s %s\n\n%s", c.name, c.summary, c.name, c.args, c.details)
	if own := f.describe(false); own != "" {
		text += "\nFlags\n" + own
	}
	if shared := f.describe(true); shared != "" {
		text += "\nCommon flags\n" + shared
	}
	return text
}

func helpCommand() *command {
	return &command{
		name:    "help",
		args:    "[SUBCOMMAND|TOPIC]",
		summary: "explain a subcommand or a topic",
		details: "Without an argument, it lists the subcommands and topics. Topics: " + strings.Join(otherTopics(), ", ") + ".\n",
		prepare: func(*flags) runner {
			return func(_ context.Context, p *program, args []string) (int, error) {
				if len(args) == 0 {
					p.print(overview())
					return exitOK, nil
				}
				name := strings.ToLower(args[0])
				for _, t := range topics {
					if t.name == name {
						p.print(t.text)
						return exitOK, nil
					}
				}
				if name == "help" { // it would look for itself
					p.print(overview())
					return exitOK, nil
				}
				if c := commandNamed(name); c != nil {
					p.print(c.help())
					return exitOK, nil
				}
				text := "nothing is known about " + quote(args[0])
				if near := nearest(name, topicNames()); near != "" {
					text += ", did you mean " + near + "?"
				}
				return exitUsage, usagef("%s", text)
			}
		},
	}
}

func commandNames() []string {
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return names
}

func otherTopics() []string {
	var names []string
	for _, t := range topics {
		names = append(names, t.name)
	}
	return names
}

func topicNames() []string { return slices.Concat(commandNames(), otherTopics()) }

const tokenHelp = `Give TOKEN as an argument, - for stdin, @FILE for a file, or not at all if it is in
$JWKS_TOKEN. The last three keep it out of the shell's history. A leading "Bearer "
is ignored.
`

// topics are what jwks help explains besides the subcommands.
var topics = []struct{ name, summary, text string }{
	{"tokens", "ways to give a token, and what is shown of it", `Ways to give a token

  jwks verify -aud orders-api eyJhbGciOi...     as an argument
  pbpaste | jwks verify -aud orders-api -       from stdin
  jwks verify -aud orders-api "@token.txt"      from a file
  JWKS_TOKEN=... jwks verify -aud orders-api    from the environment

A leading "Bearer " and white space around a token are ignored. Flags may come
before or after the token. No output, error or log contains the token or its
signature; header and claims are shown. jwks serve is the exception: it makes its
tokens to show them.

A token with one or two segments is not a JWT but an opaque token: only its issuer
can say what it means. A token with five segments is encrypted.
`},
	{"exit", "exit statuses", `Exit statuses

   0  verified, or healthy
   1  refused, or findings of level ERROR (doctor -strict: WARN too), or the
      event of watch -exit-on happened
   2  undecidable: the keys were unavailable, so the token may be good
  64  the command line is wrong

A service should answer 401 where this command exits with 1, and 503 where it
exits with 2.
`},
	{"json", "what -json prints", `With -json each command prints one object, and watch one on each line.

  verify   {outcome, checks, failed, steps: [{name, verdict, detail}], header, claims, hint}
           outcome: verified, refused or undecided
           verdict: passed, failed, undecided or skipped
  inspect  {verified: false, header, claims, times: {exp: {time, text}}, notes}
  keys     {url, keys: [{index, kid, type, bits, curve, algorithms, use, thumbprint, usable, reason}]}
  doctor   {issuer, findings: [{level, name, text, advice}]}
           level: ok, info, warn or error
  watch    {time, issuer, event, kids, error, until}
           event: keys, added, removed, changed, failed, expired or recovered
  serve    {issuer, jwks_url, discovery_url, token_url, token}
  version  {version, revision, go, platform}

Names and values do not change, but more may be added. docs/command.md has examples.
`},
	{"network", "how issuers are asked: proxies, authorities, headers", `How issuers are asked

  -insecure-http   allow plain http to other machines; without it only https, and
                   http to this machine
  -ca FILE         trust the certificate authorities in this PEM file, besides
                   those of the system
  -header 'N: v'   send this header to the host named on the command line, and to no
                   other: not to a jwks_uri on another host, nor to another host
                   after a redirect
  -timeout D       limit for the whole command, 30s by default

Proxies are taken from HTTPS_PROXY, HTTP_PROXY and NO_PROXY. The issuer that a token
names is asked only at a public address, by https: a token may come from anyone, and
must not make you send requests into your own network. To ask it anywhere else, name
it with -issuer. At most 3 redirects are followed, and at most 1 MiB is read.
`},
}
