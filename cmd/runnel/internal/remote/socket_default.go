//go:build !unix

package remote

// socketHint returns "": this system has no groups of this kind.
func socketHint(string, error) string { return "" }

// fileGroup returns "" likewise.
func fileGroup(string) string { return "" }

func userName() string { return "" }
