// Package spelling finds the correct name for a misspelt one.
package spelling

import (
	"slices"
	"strings"
)

// Similar returns at most three names that are similar to name, the nearest first.
func Similar(name string, names []string) (near []string) {
	if n := Nearest(name, names); n != "" {
		near = append(near, n)
	}
	for _, n := range names {
		stem := strings.ToLower(name)
		if len(stem) > 3 {
			stem = stem[:3]
		}
		if len(near) < 3 && stem != "" && strings.HasPrefix(n, stem) && !slices.Contains(near, n) {
			near = append(near, n)
		}
	}
	return near
}

// Nearest returns the name that is most similar to s, or "" if none is close.
func Nearest(s string, names []string) string {
	best, bestCost := "", len(s)/2+1
	for _, name := range names {
		if cost := distance(s, name); cost < bestCost {
			best, bestCost = name, cost
		}
	}
	return best
}

// distance counts the insertions, deletions and replacements between a and b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
