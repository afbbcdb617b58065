package node

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/budget"
	"runnel/edge/client"
	"runnel/test/kit"
	"runnel/transport"
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
		g.close()
		kit.Receive(t, c.name+": the other part ends", other.done)
		w.close()
		close(failed)
		if got := <-failed; got != c.want || len(failed) > 0 {
			t.Errorf("%s: the group fails with %v, want %v", c.name, got, c.want)
		}
	}
}

// At its limit a listener closes the oldest connection for a new one.
func TestLimited(t *testing.T) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	kit.Must(t, err)
	l := newLimited(socket, 2)
	defer l.Close()
	var near, far []net.Conn
	connect := func() {
		t.Helper()
		c, err := net.Dial("tcp", socket.Addr().String())
		kit.Must(t, err)
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(kit.Patience))
		accepted, err := l.Accept()
		kit.Must(t, err)
		near, far = append(near, accepted), append(far, c)
	}
	ended := func(i int) {
		t.Helper()
		if _, err := far[i].Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("connection %d: %v", i, err)
		}
	}
	open := func(i int) {
		t.Helper()
		if _, err := near[i].Write([]byte("x")); err != nil {
			t.Errorf("connection %d: %v", i, err)
		}
	}
	connect()
	connect()
	open(0)
	near[1].Close()
	near[1].Close() // frees no more slots
	connect()       // 0 and 2 are open
	open(0)
	open(2)
	far[0].Read(make([]byte, 2))
	connect()
	ended(0)
	near[0].Close() // as the web server does
	open(2)
	open(3)
	if len(l.open) != 2 {
		t.Errorf("%d connections are open, want 2", len(l.open))
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

// A listener for a socket that systemd did not pass fails, and the error names its URL.
func TestSocketNotPassed(t *testing.T) {
	t.Setenv("LISTEN_PID", "")
	opened, err := open(config.Listen{URL: "systemd:none"}, "systemd:none", transport.ListenOptions{})
	if err == nil || opened != nil || !strings.HasPrefix(err.Error(), "listen on systemd:none: ") {
		t.Errorf("%v, %v", opened, err)
	}
}
