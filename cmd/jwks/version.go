package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/seed-22400188/jwks/internal/version"
)

func versionCommand() *command {
	return &command{
		name:    "version",
		args:    "[-json]",
		summary: "print the version",
		details: "Prints the version of this command and of the Go that built it.\n",
		prepare: func(f *flags) runner {
			var c common
			c.output(f, false)
			return func(_ context.Context, p *program, args []string) (int, error) {
				if len(args) > 0 {
					return exitUsage, usagef("want no arguments, not %d", len(args))
				}
				v := versionJSON{version.Number, revision(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
				if c.json {
					return exitOK, p.printJSON(v, false)
				}
				text := "jwks " + v.Version
				if v.Revision != "" {
					text += " (" + v.Revision + ")"
				}
				p.print(fmt.Sprintf("%s %s %s\n", text, v.Go, v.Platform))
				return exitOK, nil
			}
		},
	}
}

// versionJSON is what -json prints.
type versionJSON struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // of a build inside a checkout
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(len(s.Value), 12)]
		}
	}
	return ""
}
