// Package cli is what the commands have in common as command lines: errors of usage, flags from the environment, negative
// numbers as arguments, groups of commands, and contexts that end with a signal or a timeout.
package cli
