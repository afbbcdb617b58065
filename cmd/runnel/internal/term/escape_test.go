package term

import (
	"testing"
)

func TestSafe(t *testing.T) {
	for text, want := range map[string]string{
		"plain, ünïcödé": "plain, ünïcödé", "\x1b[31m": `\x1b[31m`, "\u009b2J": `\u009b2J`, "a\u202eb": `a\u202eb`, "\u2066\u200f": `\u2066\u200f`,
		"\x9b\xff": `\x9b\xff`, "\uFFFD": "\uFFFD", "a\nb\tc\rd\x7f": `a\x0ab\x09c\x0dd\x7f`, "\U000e0001": `\U000e0001`,
	} {
		if got := Safe(text); got != want {
			t.Errorf("%q became %s, expected %s", text, got, want)
		}
	}
	if got := SafeLines("a\nb\tc\rd"); got != "a\nb\tc\\x0dd" {
		t.Errorf("%q", got)
	}
}
