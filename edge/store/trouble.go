package store

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// Trouble lists the data that currently cannot be kept on disk, with the reasons. The zero value is an empty list. Any
// goroutine may use it.
type Trouble struct {
	mu    sync.Mutex
	found map[string]string // error texts by subject
}

// Set records the result of the last attempt. A nil error ends the trouble. It reports whether there was trouble before.
func (t *Trouble) Set(subject string, err error) (was bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, was = t.found[subject]
	if err == nil {
		delete(t.found, subject)
		return was
	}
	if t.found == nil {
		t.found = make(map[string]string)
	}
	t.found[subject] = err.Error()
	return was
}

// String returns all entries, "" if there are none.
func (t *Trouble) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []string
	for _, subject := range slices.Sorted(maps.Keys(t.found)) {
		list = append(list, subject+": "+t.found[subject])
	}
	return strings.Join(list, "; ")
}
