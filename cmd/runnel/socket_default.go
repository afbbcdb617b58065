//go:build !unix

package main

// socketHint says nothing: other systems have no groups of this kind.
func socketHint(string, error) string { return "" }
