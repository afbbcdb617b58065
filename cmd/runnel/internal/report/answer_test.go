package report

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestReadAnswer(t *testing.T) {
	var list []any
	if err := ReadAnswer("a.b", `[1, 1.0, "x"]`, &list); err != nil || !reflect.DeepEqual(list, []any{json.Number("1"), json.Number("1.0"), "x"}) {
		t.Errorf("%v, %v", list, err)
	}
	for _, text := range []string{"", "{}", "[1", "[1]]", "[1] [2]", "no"} {
		if err := ReadAnswer("a.b", text, &list); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}
