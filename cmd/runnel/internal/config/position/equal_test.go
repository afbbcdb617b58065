package position

import "testing"

type part struct {
	Place
	Name  string
	Sizes []int
	Units map[string]int
	Next  *part
}

// Parts are equal if all their values are. The place does not matter.
func TestEqual(t *testing.T) {
	full := func() part {
		return part{Missing("a.toml", "a"), "a", []int{1, 2}, map[string]int{"x": 1, "y": 2}, &part{Name: "b"}}
	}
	for what, c := range map[string]struct {
		change func(p *part)
		equal  bool
	}{
		"nothing":           {func(*part) {}, true},
		"the place":         {func(p *part) { p.Place = Missing("b.toml", "b") }, true},
		"the place below":   {func(p *part) { p.Next.Place = Missing("b.toml", "b") }, true},
		"a string":          {func(p *part) { p.Name = "b" }, false},
		"an item":           {func(p *part) { p.Sizes[1] = 3 }, false},
		"one item less":     {func(p *part) { p.Sizes = p.Sizes[:1] }, false},
		"one item more":     {func(p *part) { p.Sizes = append(p.Sizes, 3) }, false},
		"an entry":          {func(p *part) { p.Units["y"] = 3 }, false},
		"one entry less":    {func(p *part) { delete(p.Units, "y") }, false},
		"one entry more":    {func(p *part) { p.Units["z"] = 3 }, false},
		"another entry":     {func(p *part) { delete(p.Units, "y"); p.Units["z"] = 2 }, false},
		"a pointer to none": {func(p *part) { p.Next = nil }, false},
		"the part below":    {func(p *part) { p.Next.Name = "c" }, false},
	} {
		a, b := full(), full()
		c.change(&b)
		if Equal(a, b) != c.equal || Equal(b, a) != c.equal {
			t.Errorf("%s is different: equal %v", what, !c.equal)
		}
	}
	if !Equal(part{}, part{}) {
		t.Error("empty parts differ")
	}
}
