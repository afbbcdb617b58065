package node

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/budget"
	"runnel/edge/client"
	"runnel/test/kit"
)

// A part that ends by itself fails its group only with an error; a part that is stopped never does.
func TestGroup(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name string
		run  func(context.Context) error
		want error
	}{
		{"an error", func(context.Context) error { return broken }, broken},
		{"no error", func(context.Context) error { return nil }, nil},
		{"an error once stopped", func(ctx context.Context) error { <-ctx.Done(); return broken }, nil},
	} {
		failed := make(chan error, 2)
		g := newGroup(func(err error) { failed <- err })
		w := g.start(c.run)
		other := g.start(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		if c.name == "an error once stopped" {
			w.stop()
		}
		kit.Receive(t, c.name+": the part ends", w.done)
		select {
		case <-other.done:
			t.Errorf("%s: the other part has ended as well", c.name)
		default:
		}
		g.end()
		kit.Receive(t, c.name+": the other part ends", other.done)
		w.end()
		close(failed)
		if got := <-failed; got != c.want || len(failed) > 0 {
			t.Errorf("%s: the group fails with %v, want %v", c.name, got, c.want)
		}
	}
}

// At its limit a listener accepts a connection once another one is closed, or ends.
func TestLimited(t *testing.T) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	kit.Must(t, err)
	l := newLimited(socket, 1)
	for range 2 {
		c, err := net.Dial("tcp", socket.Addr().String())
		kit.Must(t, err)
		defer c.Close()
	}
	first, err := l.Accept()
	kit.Must(t, err)
	accepted := make(chan net.Conn, 1)
	go func() { c, _ := l.Accept(); accepted <- c }()
	select {
	case <-accepted:
		t.Error("two connections at a limit of one")
	default:
	}
	first.Close()
	first.Close() // makes no further room
	second := kit.Receive(t, "the second connection", accepted)
	if len(l.room) != 1 {
		t.Errorf("%d connections are counted, want 1", len(l.room))
	}
	ended := make(chan error, 1)
	go func() { _, err := l.Accept(); ended <- err }()
	l.Close()
	if err := kit.Receive(t, "the end of Accept", ended); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept ends with %v", err)
	}
	second.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) || len(l.room) > 1 {
		t.Errorf("Accept returns %v", err)
	}
}

// A listener takes no message that the memory has not room for six times.
func TestMaxMessage(t *testing.T) {
	for _, c := range []struct{ memory, configured, want int64 }{
		{0, 0, 0}, {0, 8 * mib, 8 * mib},
		{6 * mib, 0, 0}, {6 * mib, mib, mib}, {6 * mib, mib + 1, mib},
		{3 * mib, 0, mib / 2}, {3 * mib, 1000, 1000},
	} {
		n := &Node{log: quiet}
		if c.memory > 0 {
			n.memory = budget.New(c.memory, quiet)
		}
		if got := n.maxMessage("here", config.Size(c.configured)); int64(got) != c.want {
			t.Errorf("%d bytes of memory, %d configured: %d, want %d", c.memory, c.configured, got, c.want)
		}
	}
}

// The fleet sees the roles, the identities and the sessions of a realm.
func TestFleetRouter(t *testing.T) {
	n := site(t, "x").start("[[realm]]\nname = \"realm2\"\nanonymous = \"a\"\n[[realm.role]]\nname = \"a\"\n[[realm.role]]\nname = \"b\"\n[[realm.principal]]\nauthid = \"joe\"\nrole = \"b\"\nticket = \"t\"\n")
	f := fleetRouter{n.Node}
	for realm, want := range map[string][]string{"realm1": {"guest"}, "realm2": {"a", "b"}, "realm3": nil} {
		if got := f.Roles(realm); !slices.Equal(got, want) {
			t.Errorf("roles of %s: %q, want %q", realm, got, want)
		}
		if got := f.Configured(realm, "joe"); got != (realm == "realm2") || f.Configured(realm, "jim") {
			t.Errorf("%s has joe: %v", realm, got)
		}
		if err := f.Refresh(realm); (err == nil) != (want != nil) {
			t.Errorf("refresh %s: %v", realm, err)
		}
	}
	if _, err := join(t, n.socket("a"), client.Options{Realm: "realm2", Authid: "joe", Auth: []client.Auth{client.Ticket("t")}}); err != nil {
		t.Fatal(err)
	}
	linked, err := f.Linked(t.Context(), "realm2")
	if _, ok := linked["joe"]; err != nil || !ok {
		t.Errorf("linked to realm2: %v, %v", linked, err)
	}
	if linked, err := f.Linked(t.Context(), "realm1"); err != nil || len(linked) != 0 {
		t.Errorf("linked to realm1: %v, %v", linked, err)
	}
	if _, err := f.Linked(t.Context(), "realm3"); err == nil {
		t.Error("a realm that is not there has links")
	}
}

// Only a listener with a cookie table sets cookies.
func TestCookieOptions(t *testing.T) {
	n := site(t, "x").start("")
	if n.cookieOptions(config.Listen{}) != nil {
		t.Error("cookies without a table")
	}
	if o := n.cookieOptions(config.Listen{Cookie: &config.Cookie{Name: "c", MaxAge: config.Duration(time.Hour)}}); o == nil || o.Name != "c" || o.Age != time.Hour || o.Known == nil {
		t.Errorf("%+v", o)
	}
}
