package lines

import (
	"io"
	"reflect"
	"strings"
	"testing"

	"runnel/transport/serial/reading"
)

// The lines of a French meter in its two modes, with their checks.
func TestTICLine(t *testing.T) {
	for line, want := range map[string]string{
		"ADCO 031428097115 @":             "",
		"PTEC HP..  ":                     "", // the check is a blank
		"PAPP 00150 +":                    "wrong check: tic is '+', want '\\''",
		"EAST\t005463922\t.":              "",
		"EAST\t005463923\t.":              "wrong check: tic is '.', want '/'",
		"DATE\tH260101120000\t\t.":        "",
		"SMAXSN\tH260101120000\t00412\tZ": "wrong check: tic is 'Z', want '!'",
		"PTEC HP..":                       "wrong check: the line does not end with a separator and a check",
		" @":                              "wrong check: the line does not end with a separator and a check",
		"":                                "wrong check: the line does not end with a separator and a check",
	} {
		got := ""
		if err := verifyTIC(line); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

// A line with a wrong check is left out of the event and counted; its telegram is used. A telegram without a valid line is bad.
func TestTIC(t *testing.T) {
	p := parser(t, Config{Format: Pattern, Patterns: []string{`^ADCO (?P<meter>\d+) `, `^PAPP (?P<power>\d+) `, `^PTEC (?P<period>\S+) `}, Time: TimeNone,
		Telegram: &Telegram{Begin: []byte("\x02"), End: []byte("\x03"), LineCheck: "tic"}, Fields: []Field{{Name: "meter", Kind: Text}}})
	s := NewSensor(p, nil)
	var got []fields
	s.Run(io.MultiReader(strings.NewReader("\x02\nADCO 031428097115 @\r\nPAPP 00150 '\r\nPTEC HP..  \r\x03\x02\nADCO 031428097115 @\r\nPAPP 00950  \r\nXTEC HP..  \r\x03"),
		strings.NewReader("\x02\nADCO 031428097116 @\r\x03")), func(e reading.Event) { got = append(got, e.Kwargs) })
	want := []fields{{"meter": "031428097115", "power": "00150", "period": "HP.."}, {"meter": "031428097115"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if st := s.State(); st.Good != 2 || st.BadFields != 2 || st.Bad != 1 || st.Check != 1 || st.BadField != "XTEC: wrong check: tic is ' ', want '('" {
		t.Errorf("%+v", st)
	}
	if _, err := New(Config{Topic: "com.example", Telegram: &Telegram{End: []byte("x"), LineCheck: "sum"}}); err == nil || !strings.Contains(err.Error(), "line_check") {
		t.Error(err)
	}
}
