//go:build !unix

package remote

// socketHint says nothing: other systems have no groups of this kind.
func socketHint(string, error) string { return "" }
