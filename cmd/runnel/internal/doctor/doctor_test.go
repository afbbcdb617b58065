package doctor

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"runnel/cmd/runnel/internal/config"
)

func TestPrint(t *testing.T) {
	for _, c := range []struct {
		findings []Finding
		want     string
	}{
		{nil, "f: healthy (checked: a, b)\n"},
		{[]Finding{{"a", Note, "", "just so", ""}}, "note: a: just so\nf: healthy (checked: a, b)\n"},
		{[]Finding{{"a", Error, "x", "broken", "mend it"}, {"b", Warning, "", "odd", ""}},
			"error: a: x: broken\n    mend it\nwarning: b: odd\nf: 2 findings (checked: a, b)\n"},
	} {
		var b bytes.Buffer
		r := &Report{Config: "f", Checks: []string{"a", "b"}, Findings: c.findings}
		if err := r.Print(&b); err != nil || b.String() != c.want {
			t.Errorf("%s%v; want\n%s", &b, err, c.want)
		}
		b.Reset()
		var again Report
		if err := r.PrintJSON(&b); err != nil || json.Unmarshal(b.Bytes(), &again) != nil || len(again.Findings) != len(c.findings) || !strings.HasSuffix(b.String(), "}\n") {
			t.Errorf("%s, %v", &b, err)
		}
	}
}

func TestPlaces(t *testing.T) {
	for want, p := range map[string]config.Problem{
		"f": {File: "f"}, "f:7": {File: "f", Line: 7}, "f:7: node.id": {File: "f", Line: 7, Key: "node.id"}, "f: node.id": {File: "f", Key: "node.id"},
	} {
		if got := place(p); got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
	for text, want := range map[string][2]string{"a; b; c": {"a", "b; c"}, "a": {"a", ""}} {
		if cause, remedy := split(text); cause != want[0] || remedy != want[1] {
			t.Errorf("%q, %q", cause, remedy)
		}
	}
	if (&examination{}).argument() != "" || (&examination{Options: Options{File: "f"}}).argument() != " -c f" {
		t.Error("argument")
	}
}
