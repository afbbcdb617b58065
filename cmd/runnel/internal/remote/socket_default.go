//go:build !unix

package remote

// socketHint returns "": this system has no groups of this kind.
func socketHint(string, error) string { return "" }
