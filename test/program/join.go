package program

import (
	"context"
	"testing"

	"runnel/edge/client"
	"runnel/test/kit"
	"runnel/transport"
)

// Join joins the realm "realm1" of a router with a session that is closed when the test ends. Without o.Dial it connects to the
// URL.
func Join(t testing.TB, url string, o client.Options) *client.Client {
	t.Helper()
	o.Realm = "realm1"
	if o.Dial == nil {
		o.Dial = func(ctx context.Context) (client.Conn, error) {
			return transport.Dial(ctx, url, transport.DialOptions{})
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), kit.Patience)
	defer cancel()
	c, err := client.Connect(ctx, o)
	if err != nil {
		t.Fatalf("join %s: %v", url, err)
	}
	t.Cleanup(func() { CloseSession(c) })
	return c
}

// CloseSession closes a session.
func CloseSession(c *client.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	c.Close(ctx)
}
