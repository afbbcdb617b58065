//go:build race

package kit

// Race reports whether the race detector is on. It makes allocations of its own, and everything is larger and slower.
const Race = true
