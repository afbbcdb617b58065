package term

import (
	"math/rand/v2"
	"strings"
	"testing"
	"text/tabwriter"
)

// TestAlign compares random tables with those of the standard library.
func TestAlign(t *testing.T) {
	pieces := []string{"a", "longer", "ä", " ", "\t", "\t", "\n", "\n"}
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var text, want strings.Builder
		for range random.IntN(40) {
			text.WriteString(pieces[random.IntN(len(pieces))])
		}
		text.WriteString("\n")
		w := tabwriter.NewWriter(&want, 0, 0, 2, ' ', 0)
		w.Write([]byte(text.String()))
		w.Flush()
		if got := align(text.String()); got != want.String() {
			t.Fatalf("%q became %q, expected %q", text.String(), got, want.String())
		}
	}
}
