package lines

import (
	"fmt"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const stamp = "2026-11-22T12:00:00.000Z"

type fields = map[string]any

func parser(t *testing.T, c Config) *Parser {
	t.Helper()
	if c.Topic == "" {
		c.Topic = "com.example.weather"
	}
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func sum(body string) string { return fmt.Sprintf("$%s*%02X", body, Checksum(body)) }
