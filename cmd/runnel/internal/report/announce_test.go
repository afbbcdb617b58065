package report

import "testing"

func TestComponent(t *testing.T) {
	for name, want := range map[string]string{"central": "central", "Gate-1.x": "gate_1_x", "über #1": "_ber__1", "azAZ09": "azaz09", "@[`{/:": "______"} {
		if got := component(name); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}
