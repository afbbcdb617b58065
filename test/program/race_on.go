//go:build race

package program

// raceFlag makes the program have the race detector where its test has it.
var raceFlag = []string{"-race"}
