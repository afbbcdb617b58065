package budget

import (
	"log/slog"
	"testing"
)

// Full tables do not keep a peer from being served at all, but an exhausted budget does.
func TestKeepBasic(t *testing.T) {
	b := New(1000, slog.New(slog.DiscardHandler))
	if !b.Keep(Tables, 500) || b.Keep(Tables, 1) {
		t.Error("the tables may have half")
	}
	if !b.KeepBasic(Calls, 400) {
		t.Error("full tables refuse a peer's first calls")
	}
	if b.KeepBasic(Calls, 200) {
		t.Error("more is kept than the budget has")
	}
}
