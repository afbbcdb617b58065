package edge

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// trouble is what a realm can't keep on disk at the moment, and why. The zero value is none. Any goroutine.
type trouble struct {
	mu    sync.Mutex
	found map[string]string // by what it is about
}

// set notes how the last attempt went; nil ends the trouble. It reports whether there was one before.
func (t *trouble) set(what string, err error) (was bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, was = t.found[what]
	if err == nil {
		delete(t.found, what)
		return was
	}
	if t.found == nil {
		t.found = make(map[string]string)
	}
	t.found[what] = err.Error()
	return was
}

// String returns all of it, "" if there is none.
func (t *trouble) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []string
	for _, what := range slices.Sorted(maps.Keys(t.found)) {
		list = append(list, what+": "+t.found[what])
	}
	return strings.Join(list, "; ")
}
