package payload

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"runnel/edge/wamp"
)

// Encoding and decoding preserve nodes. If there are too many, the first ones are kept.
func TestNodes(t *testing.T) {
	var list []Shard
	for i := range 2000 {
		list = append(list, Shard{Pattern: wamp.Pattern{URI: fmt.Sprint("com.store", i), Match: wamp.Exact}, Nodes: []string{"n1", "Knoten \"ä\""}})
	}
	for _, n := range []int{0, 1, 2, 2000} {
		text, fit := EncodeNodes(list[:n])
		got, ok := DecodeNodes(text)
		if !ok || len(got) != fit || fit < min(n, 1000) || len(text) > MaxNodes {
			t.Fatalf("%d: %d fit into %d bytes, %d arrive: %v", n, fit, len(text), len(got), ok)
		}
		for i, s := range got {
			if s.Pattern != list[i].Pattern || !slices.Equal(s.Nodes, list[i].Nodes) {
				t.Errorf("%v arrives as %v", list[i], s)
			}
		}
	}
	if text, _ := EncodeNodes(list[:1]); string(text) != `[["com.store0","exact","n1","Knoten \"ä\""]]` {
		t.Errorf("%s", text)
	}
}

// DecodeNodes returns only valid patterns and names.
func FuzzNodes(f *testing.F) {
	for _, seed := range []string{
		`[]`, `[["com.a","exact","n1","n2"],["com.b.","prefix","n1"],["com..c","wildcard"]]`, `[["com.a"]]`, `[["com.a","near","n"]]`, `[["","prefix","n"]]`,
		`[["com.a","exact",1]]`, `[["com.a","exact",""]]`, `[["com.a","exact","a\u0000b"]]`, `[1]`, `{"a":[]}`, `[[`, `[["com.a","exact","n"]],1`, "\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		list, ok := DecodeNodes(text)
		if !ok {
			return
		}
		for _, s := range list {
			if !wamp.ValidURI(s.Pattern.URI, s.Pattern.Match, false) {
				t.Errorf("%q is taken", s.Pattern.URI)
			}
			for _, n := range s.Nodes {
				if n == "" || strings.ContainsRune(n, 0) || len(n) > 255 {
					t.Errorf("node %q is taken", n)
				}
			}
		}
		again, fit := EncodeNodes(list)
		if fit == len(list) {
			if same, ok := DecodeNodes(again); !ok || len(same) != fit {
				t.Errorf("%s becomes %s", text, again)
			}
		}
	})
}
