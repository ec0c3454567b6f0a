package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// machine is where the figures come from.
type machine struct {
	cpu      string
	system   string
	cores    int
	memory   string // "" when unknown
	compiler string
	load     string // of the last minute, before anything was measured; "" when unknown
}

func thisMachine() machine {
	m := machine{
		cpu:      "unknown CPU",
		system:   runtime.GOOS + "/" + runtime.GOARCH,
		cores:    runtime.NumCPU(),
		compiler: runtime.Version(),
	}
	if name := procValue("/proc/cpuinfo", "model name"); name != "" {
		m.cpu = name
	}
	var kib float64
	if _, err := fmt.Sscan(procValue("/proc/meminfo", "MemTotal"), &kib); err == nil {
		m.memory = fmt.Sprintf("%.0f GiB", kib/(1<<20))
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.load, _, _ = strings.Cut(string(text), " ")
	}
	return m
}

func (m machine) String() string {
	s := fmt.Sprintf("%s, %d cores", m.cpu, m.cores)
	if m.memory != "" {
		s += ", " + m.memory
	}
	return s + ", " + m.system + ", " + m.compiler
}

// procValue reads the first "name: value" line of a file of Linux's /proc; ""
// on other systems.
func procValue(file, name string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// versions says which version of each module is in this program.
func versions() map[string]string {
	out := map[string]string{}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return out
	}
	for _, dep := range info.Deps {
		if out[dep.Path] = dep.Version; dep.Replace != nil {
			out[dep.Path] = "this checkout"
		}
	}
	return out
}
