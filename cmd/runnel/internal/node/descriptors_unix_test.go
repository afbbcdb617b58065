//go:build unix

package node

import "testing"

// A Unix system reports how many files the process may open.
func TestDescriptorsAreKnown(t *testing.T) {
	if newDescriptors() == nil {
		t.Error("connections are not limited")
	}
}
