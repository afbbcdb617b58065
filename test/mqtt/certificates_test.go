package mqtt

import (
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"os"
	"testing"
)

// pinOf returns the SHA-256 of a certificate.
func pinOf(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	return fmt.Sprintf("%x", sha256.Sum256(block.Bytes))
}
