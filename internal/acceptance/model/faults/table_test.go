package main

import (
	"path/filepath"
	"testing"
)

// TestFaults_Apply: every fault still changes the code that it names.
func TestFaults_Apply(t *testing.T) {
	names := map[string]bool{}
	for _, f := range faults {
		if names[f.name] {
			t.Errorf("two faults are called %q", f.name)
		}
		names[f.name] = true
		changed, err := f.apply(filepath.Join("..", "..", "..", ".."))
		if err != nil || len(changed) == 0 {
			t.Error(err)
		}
	}
	if len(faults) < 20 {
		t.Errorf("%d faults", len(faults))
	}
}
