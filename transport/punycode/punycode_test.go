package punycode

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// TestLabel checks the forms that UTS 46 gives for names beyond ASCII.
func TestLabel(t *testing.T) {
	for label, want := range map[string]string{
		"bücher": "xn--bcher-kva", "BÜCHER": "xn--bcher-kva", "straße": "xn--strae-oqa", "münchen-1": "xn--mnchen-1-65a",
		"日本語": "xn--wgv71a119e", "пример": "xn--e1afmkfd", "e\u0301": "xn--9ca", "ﬁsh": "fish", "ＡＢＣ": "abc",
		"b\u00ADü": "xn--b-eha", "l·l": "xn--ll-0ea", "𝒜ü": "xn--a-eha", "ÅNGSTRÖM": "xn--ngstrm-hua5l",
		"ü b": "", "ü/b": "", "ü:1": "", "ü\n": "", "ü%41": "", "ü[1]": "", "ü@b": "", "ü\xff": "", "ü\uFFFD": "", "\u0301e": "", "☃": "",
		strings.Repeat("ü", 60): "", strings.Repeat("ü", 1<<16): "",
	} {
		if got, err := Label(label); got != want || (err != nil) != (want == "") {
			t.Errorf("%.20q is %q, %v; want %q", label, got, err, want)
		}
	}
}

// TestRFC checks samples of RFC 3492, 7.1, that are host names.
func TestRFC(t *testing.T) {
	for text, want := range map[string]string{
		"ليهمابتكلموشعربي؟":                        "egbpdaj6bu4bxfgehfvwxn",
		"他们为什么不说中文":                                "ihqwcrb4cv8a8dqg056pqjye",
		"Pročprostěnemluvíčesky":                   "Proprostnemluvesky-uyb24dma41a",
		"なぜみんな日本語を話してくれないのか":                       "n8jok5ay5dzabd5bym9f0cm5685rrjetr6pdxa",
		"почемужеонинеговорятпорусски":             "b1abfaaepdrnnbgefbadotcwatmq2g4l",
		"PorquénopuedensimplementehablarenEspañol": "PorqunopuedensimplementehablarenEspaol-fmd56a",
		"3年B組金八先生":                                 "3B-ww4c5e180e575a65lsy2b",
		"Hello-Another-Way-それぞれの場所":                "Hello-Another-Way--fc4qua05auwb3674vfr0b",
		"そのスピードで":                                  "d9juau41awczczp",
	} {
		if got := encode([]rune(text)); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
}

func TestHost(t *testing.T) {
	for host, want := range map[string]string{
		"router": "router", "Router.Example.": "Router.Example.", "192.0.2.1": "192.0.2.1", "fe80::1%eth0": "fe80::1%eth0",
		"www.Bücher.example": "www.xn--bcher-kva.example", "bücher。example．": "xn--bcher-kva.example.", "a b.bücher": "", "": "",
	} {
		got, err := Host(host)
		if got != want || (err != nil) != (want == "" && host != "") {
			t.Errorf("%q is %q, %v; want %q", host, got, err, want)
		}
	}
}

// TestCharacters compares each character, alone and within names, with golang.org/x/net/idna.
func TestCharacters(t *testing.T) {
	for r := rune(utf8.RuneSelf); r <= unicode.MaxRune; r++ {
		if !unicode.IsGraphic(r) && !unicode.Is(unicode.Cf, r) {
			continue // not assigned
		}
		alike(t, string(r))
		if normalize(string(r)) != string(r) {
			alike(t, "a"+string(r)+"b")
			alike(t, "\u05D0"+string(r)) // a name that is read from right to left
		}
	}
}

// FuzzLabel compares with golang.org/x/net/idna.
func FuzzLabel(f *testing.F) {
	for _, s := range []string{"bücher", "日本語", "ＡＢＣ", "e\u0301", "straße", "a", "ü-ü", "\u00AD", "ﬁ", "ϲ", "Ꭰ", "İ"} {
		f.Add(s)
	}
	f.Fuzz(alike)
}

// alike fails if Label and idna accept a component and write it differently. UTS 46 maps U+1E9E to ß since revision 31, but idna
// still maps it to ss.
func alike(t *testing.T, label string) {
	got, err := Label(label)
	if err != nil || strings.HasPrefix(got, prefix) && isASCII(label) || strings.ContainsRune(label, '\u1E9E') {
		return
	}
	if !utf8.ValidString(got) || !isASCII(got) || len(got) > maxLabel {
		t.Fatalf("%q is %q", label, got)
	}
	if want, err := idna.Lookup.ToASCII(label); err == nil && want != got {
		t.Errorf("%q is %q, want %q", label, got, want)
	}
}

// The limits apply to what is written, and to an input whose characters disappear.
func TestLimits(t *testing.T) {
	longest := ""
	for n := 1; ; n++ { // "xn--" and the code of n characters
		code, err := Label(strings.Repeat("a", n) + "ü")
		if err != nil {
			break
		}
		longest = code
	}
	if len(longest) != maxLabel {
		t.Errorf("the longest component is %q, of %d octets", longest, len(longest))
	}
	hidden := strings.Repeat("\u00AD", maxInput/2-1)
	for label, want := range map[string]string{
		strings.Repeat("Ａ", maxLabel): strings.Repeat("a", maxLabel), strings.Repeat("Ａ", maxLabel+1): "", hidden + "ü": "xn--tda", hidden + "aü": "", "\u0080": "", "": "",
	} {
		if got, err := Label(label); got != want || (err != nil) != (want == "" && label != "") {
			t.Errorf("%.20q is %q, %v; want %q", label, got, err, want)
		}
	}
	for host, want := range map[string]string{"\u0080": "", "\u007f": "\u007f", "ü..": "xn--tda..", "\uFF61ü": ".xn--tda"} {
		if got, err := Host(host); got != want || (err != nil) != (want == "") {
			t.Errorf("%q is %q, %v; want %q", host, got, err, want)
		}
	}
}
