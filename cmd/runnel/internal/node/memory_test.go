package node

import (
	"runtime/debug"
	"strings"
	"testing"

	"runnel/cmd/runnel/internal/config"
)

const mib = 1 << 20

func TestPlanMemory(t *testing.T) {
	for _, c := range []struct {
		name          string
		process, wish int64
		want          memoryPlan
		budget, heap  int64
	}{
		{"nothing known, nothing configured", 0, 0, memoryPlan{}, 0, 0},
		{"the default leaves room for the program", 256 * mib, 0, memoryPlan{process: 256 * mib, memory: 240 * mib}, 160 * mib, 248 * mib},
		{"a wish within the machine bounds the process too", 256 * mib, 96 * mib, memoryPlan{process: 112 * mib, memory: 96 * mib}, 64 * mib, 104 * mib},
		{"a wish of all there is", 256 * mib, 240 * mib, memoryPlan{process: 256 * mib, memory: 240 * mib}, 160 * mib, 248 * mib},
		{"a wish beyond the machine is cut", 256 * mib, 1024 * mib, memoryPlan{process: 256 * mib, memory: 240 * mib, cut: true}, 160 * mib, 248 * mib},
		{"a small machine keeps a quarter for buffers", 18 * mib, 0, memoryPlan{process: 18 * mib, memory: 18 * mib / 4}, 3 * mib, 18 * mib / 4 * 3},
		{"a wish where nothing is known", 0, 96 * mib, memoryPlan{process: 112 * mib, memory: 96 * mib}, 64 * mib, 104 * mib},
	} {
		got := planMemory(c.process, c.wish)
		if got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
		if got.budget() != c.budget || got.heap() != c.heap {
			t.Errorf("%s: budget %d, heap %d; want %d, %d", c.name, got.budget(), got.heap(), c.budget, c.heap)
		}
	}
}

// The share of buffers never shrinks when the machine grows, and never exceeds it.
func TestPlanMemoryGrows(t *testing.T) {
	last := int64(0)
	for process := int64(mib); process < 1<<36; process += process / 3 {
		p := planMemory(process, 0)
		if p.memory < last || p.memory > process || p.heap() > process || p.budget() > p.heap() {
			t.Fatalf("%d bytes: %+v, budget %d, heap %d, after %d", process, p, p.budget(), p.heap(), last)
		}
		last = p.memory
	}
}

// The collector works more often than Go's default, unless the environment says how often.
func TestTuneCollector(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	for variable, want := range map[string]int{"": 30, "70": 100} {
		t.Setenv("GOGC", variable)
		TuneCollector()
		if got := debug.SetGCPercent(100); got != want {
			t.Errorf("GOGC=%q: %d percent, want %d", variable, got, want)
		}
	}
}

// A configuration that asks for more than there is has a warning with file, line and key.
func TestCheckMemory(t *testing.T) {
	for text, want := range map[string]string{
		"[limits]\nmemory = \"1GB\"\n":   "test.toml:8: limits.memory: 1.0GB is more than this process can use; the router uses 251.7MB",
		"[limits]\nmemory = \"100MB\"\n": "",
		"":                               "",
	} {
		c, err := config.Parse("test.toml", planRealm+text)
		if err != nil {
			t.Fatal(err)
		}
		checkMemory(c, 256*mib)
		got := ""
		for _, w := range c.Warnings {
			if strings.Contains(w.Key, "memory") {
				got = w.Error()
			}
		}
		if got == "" != (want == "") || !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}
