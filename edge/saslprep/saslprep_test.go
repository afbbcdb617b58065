package saslprep

import "testing"

// TestSASLprep tests the examples of RFC 4013, section 3, and some that were compared with passlib's saslprep.
func TestSASLprep(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "",
		"user":                   "user",
		"USER":                   "USER",
		"I\u00adX":               "IX",
		"\u00aa":                 "a",
		"\u2168":                 "IX",
		"p\u00e4ss\u00a0w\u3000": "p\u00e4ss w ",
		"\u212bngstr\u00f6m":     "\u00c5ngstr\u00f6m",
		"a\u200bb":               "ab",
		"e\u0301":                "\u00e9",
	} {
		if got, err := Prepare(text); err != nil || got != want {
			t.Errorf("%+q: %+q, %v", text, got, err)
		}
	}
	for _, text := range []string{"\u0007", "a\x7f", "a\u0085", "a\ue000", "\u200e", "\ufffd", "\U000e0001", "\ufdd0", "\u2028", "\xff"} {
		if got, err := Prepare(text); err == nil {
			t.Errorf("%+q is taken: %+q", text, got)
		}
	}
}
