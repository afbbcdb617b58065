//go:build race

package codec

// raceEnabled: the race detector allocates for itself, so that allocations can't be counted.
const raceEnabled = true
