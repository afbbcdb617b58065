package device

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport/memory"
	"runnel/transport/serial/lines"
	"runnel/transport/serial/modbus"
	"runnel/transport/serial/reading"
)

// room is a router with one realm. Guests have no permission under com.secret.
type room struct {
	*edge.Router
	t   *testing.T
	log bytes.Buffer // of the guests; read when they have ended
}

func newRoom(t *testing.T) *room {
	r := &room{t: t, Router: edge.NewRouter(edge.Options{Log: slog.New(slog.DiscardHandler)})}
	all := auth.Publish | auth.Subscribe | auth.Call | auth.Register
	roles := []*auth.Role{auth.NewRole("guest", []auth.Permission{{Match: wamp.Prefix, Allow: all}, {URI: "com.secret.", Match: wamp.Prefix}})}
	kit.Must(t, r.AddRealm(edge.RealmOptions{Name: "realm1", Anonymous: "guest", Roles: roles}))
	t.Cleanup(func() { kit.Must(t, r.Close(context.Background())) })
	return r
}

func (r *room) options() Options {
	return Options{Name: "line", Role: "guest", Realm: "realm1", Serve: func(c *memory.Conn) { r.Serve(c) }, Log: slog.New(slog.NewTextHandler(&r.log, nil))}
}

// run runs a guest at a port, of which it returns the device's end, until the test ends.
func (r *room) run(g *Guest) net.Conn {
	near, far := net.Pipe()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- g.Run(ctx, func(ctx context.Context, serve func(io.ReadWriteCloser) error) error {
			context.AfterFunc(ctx, func() { far.Close() })
			serve(far)
			<-ctx.Done()
			return nil
		})
	}()
	r.t.Cleanup(func() {
		stop()
		if err := kit.Receive(r.t, "the end of the guest", ended); err != nil {
			r.t.Error(err)
		}
	})
	return near
}

func (r *room) join() *client.Client {
	dial := func(context.Context) (client.Conn, error) {
		near, far := memory.Pipe(memory.Options{Name: "program", Role: "guest", Realm: "realm1"})
		go r.Serve(far)
		return near, nil
	}
	c, err := client.Connect(r.t.Context(), client.Options{Dial: dial, Realm: "realm1"})
	kit.Must(r.t, err)
	r.t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// The lines of a printing device are published. Its procedure writes to the device while the port is open.
func TestLinesGuest(t *testing.T) {
	r := newRoom(t)
	g, err := NewLines(r.options(), lines.Config{Topic: "com.line"}, "com.line.write", "\r\n")
	kit.Must(t, err)
	if _, err := g.offers["com.line.write"](t.Context(), &client.Invocation{}); !errors.Is(err, wamp.InvalidArgument) {
		t.Errorf("a call without an argument: %v", err)
	}
	c := r.join()
	events := make(chan *client.Event, 10)
	_, err = c.Subscribe(t.Context(), "com.line", client.SubscribeOptions{}, func(e *client.Event) { events <- e })
	kit.Must(t, err)
	device := r.run(g)
	_, err = io.WriteString(device, "{\"t\":1}\n{\"t\":2}\n")
	kit.Must(t, err)
	kit.Receive(t, "the first reading", events) // which may be partial
	kit.Eventually(t, "the procedure is registered", func() bool {
		_, err := c.Call(t.Context(), "com.line.write", client.CallOptions{}, client.Payload{})
		return errors.Is(err, wamp.InvalidArgument)
	})
	for _, call := range []struct {
		argument any
		want     string
		err      error
	}{
		{"on", "on\r\n", nil}, {[]byte("\x01\n"), "\x01\n", nil}, {"", "\r\n", nil}, {"a\nb", "", wamp.InvalidArgument}, {int64(1), "", wamp.InvalidArgument},
		{strings.Repeat("x", maxWrite-2), strings.Repeat("x", maxWrite-2) + "\r\n", nil}, {strings.Repeat("x", maxWrite-1), "", wamp.InvalidArgument},
	} {
		called := make(chan error, 1)
		go func() {
			_, err := c.Call(t.Context(), "com.line.write", client.CallOptions{}, client.Args(call.argument))
			called <- err
		}()
		got := make([]byte, len(call.want))
		if _, err := io.ReadFull(device, got); err != nil || string(got) != call.want {
			t.Errorf("%.20q: the device gets %.20q, %v", call.argument, got, err)
		}
		if err := kit.Receive(t, "the result", called); !errors.Is(err, call.err) {
			t.Errorf("%.20q: %v", call.argument, err)
		}
	}
	device.Close()
	kit.Eventually(t, "the port is closed", func() bool {
		_, err := c.Call(t.Context(), "com.line.write", client.CallOptions{}, client.Args("on"))
		return errors.Is(err, wamp.Unavailable)
	})
	if s := g.State(); s.Lines == nil || s.Modbus != nil || s.Topic != "com.line" || s.Published == 0 || s.LastGood.IsZero() || s.LastGood != s.Lines.LastGood {
		t.Errorf("state %+v", s)
	}
	if _, err := NewLines(r.options(), lines.Config{}, "", ""); err == nil {
		t.Error("a guest without a topic")
	}
	if g, err := NewLines(r.options(), lines.Config{Topic: "com.line"}, "", ""); err != nil || len(g.offers) != 0 {
		t.Errorf("without a procedure: %v, %v", g.offers, err)
	}
}

// Calls that write take turns, and a call that is cancelled ends.
func TestWritesTakeTurns(t *testing.T) {
	w := newWriter("")
	near, far := net.Pipe()
	defer far.Close()
	w.set(near)
	first := make(chan error, 1)
	go func() { first <- w.send(context.Background(), []byte("one")) }()
	if _, err := io.ReadFull(far, make([]byte, 1)); err != nil { // it is writing now
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.send(ctx, []byte("two")); err != context.Canceled {
		t.Errorf("a cancelled call: %v", err)
	}
	if _, err := io.ReadFull(far, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	kit.Must(t, kit.Receive(t, "the first call", first))
	far.Close()
	if err := w.send(t.Context(), []byte("three")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a port that fails: %v", err)
	}
	if w.set(nil); w.send(t.Context(), []byte("four")) != errAbsent {
		t.Error("a closed port is written to")
	}
}

// The state shows a procedure that the router rejects until it is accepted. It also counts readings without a session.
func TestRefusedGuest(t *testing.T) {
	r := newRoom(t)
	g, err := NewLines(r.options(), lines.Config{Topic: "com.secret.line"}, "com.secret.write", "")
	kit.Must(t, err)
	device := r.run(g)
	kit.Eventually(t, "the procedure is refused", func() bool { return len(g.State().RefusedProcedures) == 1 })
	if s := g.State().RefusedProcedures[0]; !strings.HasPrefix(s, "com.secret.write: "+wamp.NotAuthorized.Error()) {
		t.Errorf("refused: %q", s)
	}
	_, err = io.WriteString(device, "{\"t\":1}\n{\"t\":2}\n{\"t\":3}\n")
	kit.Must(t, err)
	kit.Eventually(t, "the readings are refused", func() bool { return g.State().Refused >= 2 })
	if s := g.State(); s.Published != 0 || s.Dropped != 0 || !strings.HasPrefix(s.Refusal, "com.secret.line: ") {
		t.Errorf("state %+v", s)
	}
	if g.registered("com.secret.write", nil); len(g.State().RefusedProcedures) != 0 {
		t.Errorf("accepted, but refused: %q", g.State().RefusedProcedures)
	}
	for range 2 {
		g.published("com.secret.line", wamp.NetworkFailure)
	}
	if s := g.State(); s.Dropped != 2 {
		t.Errorf("%d readings are dropped", s.Dropped)
	}
}

// A reading before the session is dropped, and counted, unless the guest has ended.
func TestReadingWithoutSession(t *testing.T) {
	r := newRoom(t)
	g, err := NewLines(r.options(), lines.Config{Topic: "com.line"}, "", "")
	kit.Must(t, err)
	near, far := net.Pipe()
	defer near.Close()
	ended, stop := context.WithCancel(t.Context())
	stop()
	for ctx, want := range map[context.Context]uint64{t.Context(): 1, ended: 0} {
		before := g.State().Dropped
		g.publish(ctx, reading.Event{Topic: "com.line"})
		if got := g.State().Dropped - before; got != want {
			t.Errorf("%d readings are dropped, want %d", got, want)
		}
	}
	far.Close()
	if err := g.Run(ended, func(context.Context, func(io.ReadWriteCloser) error) error { t.Error("the line is opened"); return nil }); err != nil {
		t.Errorf("a guest that never joined: %v", err)
	}
}

// The failure of a slave is reported as a WAMP error.
func TestModbusGuest(t *testing.T) {
	r := newRoom(t)
	topic, err := reading.ParseTemplate("com.bus")
	kit.Must(t, err)
	point := modbus.Point{Name: "limit", Slave: 1, Table: modbus.Holding, Topic: topic, Every: time.Hour}
	g, err := NewModbus(r.options(), modbus.Config{Points: []modbus.Point{point, point}}, []string{"com.limit.set", ""})
	kit.Must(t, err)
	if len(g.offers) != 1 || g.offers["com.limit.set"] == nil {
		t.Errorf("procedures %v", g.offers)
	}
	for name, args := range map[string][]any{"no argument": nil, "two arguments": {int64(1), int64(2)}} {
		if err := writePoint(t.Context(), g.modbus, 0, args); !errors.Is(err, wamp.InvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := writePoint(t.Context(), g.modbus, 0, []any{int64(1)}); !errors.Is(err, wamp.Unavailable) {
		t.Errorf("a bus that is not open: %v", err)
	}
	if err := writePoint(t.Context(), g.modbus, 0, []any{"text"}); !errors.Is(err, wamp.InvalidArgument) {
		t.Errorf("a value that does not fit: %v", err)
	}
	if s := g.State(); s.Modbus == nil || s.Lines != nil || len(s.Modbus.Slaves) != 1 || !s.LastGood.IsZero() {
		t.Errorf("state %+v", s)
	}
	broken := errors.New("broken")
	for want, tell := range map[string]func(){
		"level=WARN msg=\"Modbus slave does not answer":        func() { g.slaveChanged(1, broken) },
		"level=INFO msg=\"Modbus slave answers again":          func() { g.slaveChanged(1, nil) },
		"level=WARN msg=\"Modbus slave answers later":          func() { g.slaveLate(1, time.Second, 2*time.Second) },
		"level=INFO msg=\"Modbus slave answers in time again":  func() { g.slaveLate(1, 0, 0) },
		"level=WARN msg=\"Modbus slave rejects a point":        func() { g.pointRefused(&point, broken) },
		"level=INFO msg=\"Modbus slave answers for the point ": func() { g.pointRefused(&point, nil) },
	} {
		r.log.Reset()
		if tell(); !strings.Contains(r.log.String(), want) {
			t.Errorf("%s, want %s", &r.log, want)
		}
	}
	if _, err := NewModbus(r.options(), modbus.Config{}, nil); err == nil {
		t.Error("a bus without points")
	}
}

// Any slave's answer counts as one of the bus.
func TestLastAnswer(t *testing.T) {
	at := time.Unix(5, 0)
	for _, list := range [][]time.Time{{at, {}}, {{}, at}, {at, at.Add(-1)}, {at}} {
		var s modbus.State
		for _, good := range list {
			s.Slaves = append(s.Slaves, modbus.SlaveState{LastGood: good})
		}
		if got := lastAnswer(s); got != at {
			t.Errorf("%v: %v", list, got)
		}
	}
}

// Each alarm is raised at its bound, logged once when it begins and once when it ends.
func TestAlarms(t *testing.T) {
	var log bytes.Buffer
	began := time.Unix(1000, 0)
	now := heard{}
	w := &watch{log: slog.New(slog.NewTextHandler(&log, nil)), every: time.Minute, began: began, heard: func() heard { return now }}
	for _, c := range []struct {
		what   string
		heard  heard
		after  time.Duration // since the watch began
		alarms string
		logged string
	}{
		{"at first", heard{}, time.Minute, "", ""},
		{"silent", heard{}, time.Minute + 1, "silent", "sends no valid reading"},
		{"still", heard{}, time.Hour, "silent", ""},
		{"a reading", heard{good: began.Add(time.Hour)}, time.Hour, "", "valid readings again"},
		{"a minute later", heard{good: began.Add(time.Hour)}, time.Hour + time.Minute, "", ""},
		{"silent again", heard{good: began.Add(time.Hour)}, time.Hour + time.Minute + 1, "silent", "sends no valid reading"},
		{"a reading again", heard{good: began.Add(2 * time.Hour)}, 2 * time.Hour, "", "valid readings again"},
		{"few bad lines", heard{good: began.Add(2 * time.Hour), bad: badLines - 1}, 2 * time.Hour, "", ""},
		{"bad lines", heard{good: began.Add(2 * time.Hour), bad: badLines}, 2 * time.Hour, "bad", "sends only unreadable lines"},
		{"more of them", heard{good: began.Add(2 * time.Hour), bad: badLines + 1}, 2 * time.Hour, "bad", ""},
		{"a good line", heard{good: began.Add(2 * time.Hour)}, 2 * time.Hour, "", "readable lines again"},
		{"one answer is missing", heard{good: began.Add(2 * time.Hour), unanswered: lostAnswers - 1}, 2 * time.Hour, "", ""},
		{"two are", heard{good: began.Add(2 * time.Hour), unanswered: lostAnswers}, 2 * time.Hour, "mute", "does not answer"},
		{"three are", heard{good: began.Add(2 * time.Hour), unanswered: lostAnswers + 1}, 2 * time.Hour, "mute", ""},
		{"an answer", heard{good: began.Add(2 * time.Hour)}, 2 * time.Hour, "", "answers again"},
	} {
		now = c.heard
		log.Reset()
		w.check(began.Add(c.after))
		var alarms []string
		list, silent := w.alarms()
		for _, text := range list {
			for name, part := range map[string]string{"silent": "no good reading", "mute": "were not answered", "bad": "cannot be read"} {
				if strings.Contains(text, part) {
					alarms = append(alarms, name)
				}
			}
		}
		if got := strings.Join(alarms, " "); got != c.alarms || silent != slices.Contains(alarms, "silent") {
			t.Errorf("%s: alarms %q, want %q", c.what, list, c.alarms)
		}
		if got := log.String(); (got == "") != (c.logged == "") || !strings.Contains(got, c.logged) || strings.Count(got, "\n") > 1 {
			t.Errorf("%s: logged %q, want %q", c.what, got, c.logged)
		}
	}
	w.every = 0
	if w.check(began.Add(100 * time.Hour)); w.silent {
		t.Error("silent, although no reading is expected")
	}
}

// The watch begins when it runs, and checks often enough to detect a short silence.
func TestWatchRuns(t *testing.T) {
	for every, interval := range map[time.Duration]time.Duration{time.Hour: time.Second, 0: time.Second, time.Second: time.Second / 4, time.Millisecond: 10 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			checks := 0
			w := &watch{log: slog.New(slog.DiscardHandler), every: every, heard: func() heard { checks++; return heard{} }}
			ctx, stop := context.WithCancel(t.Context())
			go w.run(ctx)
			time.Sleep(10*interval + interval/2)
			stop()
			synctest.Wait()
			if _, silent := w.alarms(); checks != 10 || silent != (every > 0 && 10*interval > every) {
				t.Errorf("every %v: %d checks, silent %v", every, checks, silent)
			}
		})
	}
}

// The answers of a slave reach the caller: a value that is set, and the slave's exception with its code.
func TestModbusWrites(t *testing.T) {
	r := newRoom(t)
	topic, err := reading.ParseTemplate("com.bus")
	kit.Must(t, err)
	g, err := NewModbus(r.options(), modbus.Config{TCP: true, Points: []modbus.Point{{Name: "limit", Slave: 1, Table: modbus.Holding, Topic: topic, Every: time.Hour}}}, []string{"com.limit.set"})
	kit.Must(t, err)
	slave := r.run(g)
	go func() {
		for {
			head := make([]byte, 8) // MBAP and the function
			if _, err := io.ReadFull(slave, head); err != nil {
				return
			}
			body := make([]byte, int(head[5])-2)
			if _, err := io.ReadFull(slave, body); err != nil {
				return
			}
			answer := []byte{head[7], 2, 0, 7} // the register holds 7
			switch {
			case head[7] != 3 && body[len(body)-1] == 9:
				answer = []byte{head[7] | 0x80, 2} // illegal data address
			case head[7] == 6:
				answer = append([]byte{6}, body...)
			case head[7] == 16:
				answer = append([]byte{16}, body[:4]...)
			}
			head[5] = byte(1 + len(answer))
			slave.Write(append(head[:7:7], answer...))
		}
	}()
	kit.Eventually(t, "the point is read", func() bool { return !g.State().LastGood.IsZero() && g.State().Published == 1 })
	caller := r.join()
	for value, want := range map[int64]string{8: "<nil>", 9: errorModbus} {
		_, err := caller.Call(t.Context(), "com.limit.set", client.CallOptions{}, client.Args(value))
		if got := fmt.Sprint(err); !strings.HasPrefix(got, want) {
			t.Errorf("%d: %v, want %s", value, got, want)
		}
		if failure := (*client.Error)(nil); errors.As(err, &failure) && (len(failure.Args()) != 2 || failure.Args()[1] != int64(2)) {
			t.Errorf("%d: the error's arguments are %v", value, failure.Args())
		}
	}
}
