package wamp

import (
	"maps"
	"strings"
	"testing"
)

func TestNodesClash(t *testing.T) {
	node := Node{ID: "edge-1", Name: "edge-1", Boot: "x", Installation: "card-1"}
	for _, c := range []struct {
		what  string
		other Node
		want  bool
	}{
		{"itself over another connection", node, false},
		{"the same id in another process", Node{ID: "edge-1", Boot: "y"}, true},
		{"the same id, without a boot id", Node{ID: "edge-1"}, false},
		{"a copy of the data directory, renumbered", Node{ID: "edge-2", Name: "edge-1", Boot: "y", Installation: "card-1"}, true},
		{"a copy with its own name", Node{ID: "edge-2", Name: "edge-2", Boot: "y", Installation: "card-1"}, false},
		{"another installation of that name", Node{ID: "edge-2", Name: "edge-1", Boot: "y", Installation: "card-2"}, false},
		{"an unknown installation", Node{ID: "edge-2", Name: "edge-1", Boot: "y"}, false},
	} {
		if node.ClashesWith(c.other) != c.want || c.other.ClashesWith(node) != c.want {
			t.Errorf("%s: the clash is %v", c.what, !c.want)
		}
	}
	memory := Node{ID: "edge-1", Name: "edge", Boot: "x"}
	if memory.ClashesWith(Node{ID: "edge-2", Name: "edge", Boot: "y"}) {
		t.Error("nodes without data directories clash by their name")
	}
}

func TestInstalledElsewhere(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{{"card-1", "card-2", true}, {"card-1", "card-1", false}, {"", "card-2", false}, {"card-1", "", false}, {"", "", false}} {
		if got := (Node{Installation: c.a}).InstalledElsewhere(Node{Installation: c.b}); got != c.want {
			t.Errorf("%q and %q: %v", c.a, c.b, got)
		}
	}
}

// A tag is the beginning of the installation id.
func TestTag(t *testing.T) {
	for installation, want := range map[string]string{"": "", "card": "card", "0123456789abcdef": "01234567"} {
		if got := (Node{ID: "edge-1", Installation: installation}).Tag(); got != want {
			t.Errorf("%q has the tag %q, not %q", installation, got, want)
		}
	}
}

func TestReadNode(t *testing.T) {
	node := Node{ID: "edge-1.realm", Name: strings.Repeat("n", maxNodeText), Boot: "x", Installation: "card-1"}
	if got, ok := ReadNode(node.Fields()); !ok || got != node {
		t.Errorf("%+v reads back as %+v", node, got)
	}
	for key, value := range map[string]any{"id": "", "boot": "", "name": 7, "installation": strings.Repeat("x", maxNodeText+1)} {
		fields := maps.Clone(node.Fields())
		if fields[key] = value; readable(fields) {
			t.Errorf("%s %v is accepted", key, value)
		}
		if delete(fields, key); readable(fields) {
			t.Errorf("a node without %s is accepted", key)
		}
	}
	if readable(nil) || readable("edge-1") {
		t.Error("something else is taken for a node")
	}
}

func readable(v any) bool { _, ok := ReadNode(v); return ok }
