package node

import (
	"log/slog"
	"testing"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge"
)

// A password in an uplink's URL is neither logged nor reported.
func TestUplinkPassword(t *testing.T) {
	n := &Node{log: slog.Default(), router: edge.NewRouter(edge.Options{})}
	opts, err := n.uplinkOptions(&config.Config{}, &link{config: config.Uplink{URL: []string{"wss://joe:secret@proxy.example/ws", "unix:///run/a.sock"}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := opts.Remote[0].URL + " " + opts.Remote[1].URL; got != "wss://...@proxy.example/ws unix:///run/a.sock" {
		t.Errorf("shown is %s", got)
	}
}
