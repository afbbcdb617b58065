package term

import (
	"bytes"
	"strings"
	"testing"
)

func TestFold(t *testing.T) {
	for line, want := range map[string]string{
		"short":                                   "short\n",
		"  " + strings.Repeat("ab ", 30) + "end":  "  " + strings.TrimRight(strings.Repeat("ab ", 26), " ") + "\n      " + strings.Repeat("ab ", 4) + "end\n",
		strings.Repeat("x", 100):                  strings.Repeat("x", 100) + "\n",
		strings.Repeat("x", 100) + " y":           strings.Repeat("x", 100) + "\n    y\n",
		strings.Repeat("ä", 79) + " " + "ö":       strings.Repeat("ä", 79) + "\n    ö\n",
		strings.Repeat("ä", 78) + " " + "ö":       strings.Repeat("ä", 78) + " ö\n",
		strings.Repeat("é", 80) + " and the rest": strings.Repeat("é", 80) + "\n    and the rest\n",
	} {
		var b strings.Builder
		if fold(&b, line, 80); b.String() != want {
			t.Errorf("%q became %q, expected %q", line, b.String(), want)
		}
	}
}

// A report that goes neither to a terminal nor to a program is folded at 80 columns. PrintWide never folds.
func TestPrint(t *testing.T) {
	var b bytes.Buffer
	long := strings.Repeat("word ", 20)
	table := NewTable(&b)
	table.WriteString("a\tb\n" + "longer\t" + long + "\n")
	if err := table.Print(); err != nil || b.String() != "a       b\nlonger  "+strings.Repeat("word ", 13)+"word\n    "+strings.Repeat("word ", 5)+"word\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
	b.Reset()
	if err := table.PrintWide(); err != nil || b.String() != "a       b\nlonger  "+long+"\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}
