package svg

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// wellFormed reads a document to its end.
func wellFormed(text string) error {
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func TestForeignTextIsEscaped(t *testing.T) {
	const nasty = `</svg><a & "b"`
	d := New(100, 50, nasty, nasty)
	d.Text(1, 2, Start, nasty, nasty)
	got := d.String()
	if err := wellFormed(got); err != nil {
		t.Fatalf("not XML: %v\n%s", err, got)
	}
	if n := strings.Count(got, "</svg>"); n != 1 {
		t.Errorf("%d closing tags, want 1", n)
	}
	if wellFormed(strings.Replace(got, "</text>", "", 1)) == nil {
		t.Error("a missing end tag goes unnoticed: this test shows nothing")
	}
}

func TestABarNeverHasANegativeWidth(t *testing.T) {
	d := New(100, 50, "", "")
	d.Bar(10, 10, -3, 5, First)
	if got := d.String(); !strings.Contains(got, `width="0" height="5"`) {
		t.Errorf("a bar below zero is not cut to zero: %s", got)
	}
}

func TestCoordinatesAreShort(t *testing.T) {
	for v, want := range map[float64]string{1: "1", 1.04: "1", 1.25: "1.2", -2.5: "-2.5"} {
		if got := coordinate(v); got != want {
			t.Errorf("coordinate(%v) = %s, want %s", v, got, want)
		}
	}
}
