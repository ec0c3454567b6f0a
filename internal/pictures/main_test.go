package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPictures_Current: the files in docs are what this program draws.
func TestPictures_Current(t *testing.T) {
	for name, draw := range pictures {
		got, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
		if err != nil {
			t.Error(err)
			continue
		}
		if string(got) != draw().String() {
			t.Errorf("docs/%s is not what is drawn now: go run ./internal/pictures", name)
		}
	}
}

// TestPictures_Form: well-formed XML, for light and dark pages.
func TestPictures_Form(t *testing.T) {
	for name, draw := range pictures {
		text := draw().String()
		if !strings.Contains(text, "prefers-color-scheme: dark") {
			t.Errorf("%s has no colours for dark pages", name)
		}
		d := xml.NewDecoder(strings.NewReader(text))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Errorf("%s: %v", name, err)
				break
			}
		}
	}
}
