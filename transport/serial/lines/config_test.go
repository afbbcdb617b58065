package lines

import (
	"strings"
	"testing"
)

func TestConfigs(t *testing.T) {
	const topic = "com.example.x"
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{}, "is not a URI"},
		{Config{Format: CSV, Topic: topic}, "columns are missing"},
		{Config{Format: CSV, Topic: topic, Columns: []string{"a", "a"}}, `column "a" occurs twice`},
		{Config{Format: CSV, Topic: topic, Columns: []string{"a"}, Separator: "ab"}, "want one character"},
		{Config{Format: CSV, Topic: "com.{b}", Columns: []string{"a"}}, "no field {b}; there are a"},
		{Config{Format: CSV, Topic: topic, Columns: []string{"a"}, Fields: []Field{{Name: "b"}}}, `field "b": not found; the fields are a`},
		{Config{Format: CSV, Topic: topic, Columns: []string{"a"}, Time: "b"}, `time "b": no such field`},
		{Config{Format: CSV, Topic: topic, Columns: []string{"a"}, Time: "a", Fields: []Field{{Name: "a"}}}, "source of the time"},
		{Config{Format: Pattern, Topic: topic}, "pattern is missing"},
		{Config{Format: Pattern, Topic: topic, Pattern: "("}, "pattern: error parsing regexp"},
		{Config{Format: Pattern, Topic: topic, Pattern: "(a)"}, "no named group"},
		{Config{Format: NMEA, Topic: topic, Sentences: []string{"GPRMC"}}, "want three capital letters"},
		{Config{Format: CSV, Topic: topic, Columns: []string{"a"}, Comma: true}, "decimal comma"},
		{Config{Format: Fixed, Topic: topic, Columns: []string{"a"}}, "1 columns and 0 widths"},
		{Config{Format: Fixed, Topic: topic, Columns: []string{"a"}, Widths: []int{0}}, "width 0"},
		{Config{Format: KeyValue, Topic: topic, Separator: "="}, "want different characters"},
		{Config{Format: KeyValue, Topic: topic, Separator: ",", Comma: true}, "no decimal comma"},
		{Config{Format: Pattern, Topic: topic, Patterns: []string{"(?P<a>.)", "x"}}, "no named group"},
		{Config{Topic: topic, MaxLine: 1}, "max_line 1: "},
		{Config{Topic: topic, Fields: []Field{{}}}, "field without a name"},
		{Config{Format: Format(len(FormatNames)), Topic: topic}, "out of range"},
	} {
		if _, err := New(c.config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.config, err, c.want)
		}
	}
}
