// Package cli holds the parts that all commands share: usage errors, flags from the environment, negative numbers as
// arguments, groups of commands, and contexts that end with a signal or a timeout.
package cli
