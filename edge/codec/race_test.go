//go:build race

package codec

// raceEnabled tells tests not to count allocations: the race detector makes some of its own.
const raceEnabled = true
