package main

import (
	"log/slog"
	"testing"

	"runnel/cmd/runnel/internal/config"
)

// TestUplinkPassword: a password in an uplink's URL is neither logged nor told to operators.
func TestUplinkPassword(t *testing.T) {
	n := &node{log: slog.Default()}
	opts, err := n.uplinkOptions(&config.Config{}, &link{config: config.Uplink{URL: []string{"wss://joe:secret@proxy.example/ws", "unix:///run/a.sock"}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := opts.Remote[0].URL + " " + opts.Remote[1].URL; got != "wss://...@proxy.example/ws unix:///run/a.sock" {
		t.Errorf("shown is %s", got)
	}
}
