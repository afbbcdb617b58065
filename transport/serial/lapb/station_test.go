package lapb

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"runnel/test/kit"
	"runnel/transport/serial/hdlc"
)

func TestMain(m *testing.M) { kit.Leakproof(m) }

// TestFirstOctets checks the first octets of a station: two flags, which end any partial frame at the other end, and SABM.
func TestFirstOctets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := &cable{baud: 115200}
		a, b := line.plugs(1)
		s := start(t, a, Config{NoXID: true})
		want := "\x7e\x7e\x7e\x03\x3f\x01\x6c\x92\xdc\x7e"
		got := make([]byte, len(want))
		if _, err := io.ReadFull(b, got); err != nil || string(got) != want {
			t.Errorf("% x, %v", got, err)
		}
		s.Close()
		line.cut(a, b)
	})
}

// TestBackPressure has a reader that stops reading. The writer waits once the buffers are full, and no data is lost when reading
// continues.
func TestBackPressure(t *testing.T) {
	for _, halfDuplex := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			line := &cable{baud: 115200}
			_, d, gs, ds := up(t, line, 1, Config{HalfDuplex: halfDuplex}, Config{HalfDuplex: halfDuplex})
			text := bytes.Repeat([]byte("0123456789abcdef"), 4096)
			wrote := make(chan error, 1)
			go func() {
				_, err := gs.Write(text)
				wrote <- err
			}()
			time.Sleep(time.Minute)
			if n := len(ds.in); n < 2048 || n > d.config.receiveRoom() {
				t.Errorf("%d octets wait for the reader", n)
			}
			if !d.link.busy {
				t.Error("the writer was not told")
			}
			got := make([]byte, len(text))
			if _, err := io.ReadFull(ds, got); err != nil || !bytes.Equal(got, text) {
				t.Errorf("read: %v", err)
			}
			if err := <-wrote; err != nil {
				t.Error(err)
			}
			if s := d.Status(); s.Link.Connections != 1 || s.Link.Resets != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, gs, ds := up(t, &cable{baud: 115200}, 1, Config{}, Config{})
		began := time.Now()
		gs.SetDeadline(began.Add(time.Second))
		if _, err := gs.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("Read: %v after %v", err, time.Since(began))
		}
		gs.SetDeadline(time.Now().Add(time.Minute))
		if n, err := gs.Write(make([]byte, 1<<20)); !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 || n == 1<<20 {
			t.Errorf("Write: %d, %v", n, err)
		}
		gs.SetDeadline(time.Time{})
		ds.Write([]byte("x"))
		if n, err := gs.Read(make([]byte, 10)); n != 1 || err != nil {
			t.Errorf("Read: %d, %v", n, err)
		}
		if n, err := gs.Read(nil); n != 0 || err != nil {
			t.Errorf("Read of nothing: %d, %v", n, err)
		}
	})
}

// TestCloseStream checks that closing a stream unblocks its user and delivers the written data, and that the next stream begins.
func TestCloseStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, d, gs, ds := up(t, &cable{baud: 115200}, 1, Config{}, Config{})
		failed := make(chan error, 1)
		go func() {
			_, err := gs.Read(make([]byte, 1))
			failed <- err
		}()
		gs.Write([]byte("goodbye"))
		synctest.Wait()
		gs.Close()
		gs.Close()
		if err := <-failed; !errors.Is(err, os.ErrClosed) {
			t.Errorf("Read: %v", err)
		}
		if _, err := gs.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Write: %v", err)
		}
		if err := gs.SetDeadline(time.Time{}); !errors.Is(err, os.ErrClosed) {
			t.Errorf("SetDeadline: %v", err)
		}
		ds.Write([]byte("nobody listens"))
		got, err := io.ReadAll(ds)
		if string(got) != "goodbye" || !errors.Is(err, ErrRestarted) || !errors.Is(ds.Err(), ErrRestarted) {
			t.Errorf("%q, %v", got, err)
		}
		if _, err := ds.Write([]byte("x")); !errors.Is(err, ErrRestarted) {
			t.Errorf("Write: %v", err)
		}
		gs, ds = accept(t, g), accept(t, d)
		ds.Write([]byte("new"))
		got = make([]byte, 3)
		if _, err := io.ReadFull(gs, got); err != nil || string(got) != "new" {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// TestCloseStation checks that the other end reads all data, and then the end of the stream.
func TestCloseStation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := &cable{baud: 9600}
		g, d, gs, ds := up(t, line, 1, Config{}, Config{})
		text := strings.Repeat("goodbye ", 100)
		gs.Write([]byte(text))
		closed := make(chan error)
		go func() { closed <- g.Close() }()
		got, err := io.ReadAll(ds)
		if string(got) != text || err != nil {
			t.Errorf("%d octets, %v", len(got), err)
		}
		<-closed
		if _, err := g.Accept(t.Context()); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Accept: %v", err)
		}
		if s := d.Status(); s.Up || s.Err != io.EOF || s.Link.Resets != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestCloseIdleStation: an idle station does not wait for a timer before it disconnects.
func TestCloseIdleStation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := &cable{baud: 9600}
		g, _, _, ds := up(t, line, 1, Config{}, Config{})
		time.Sleep(time.Minute)
		began := time.Now()
		g.Close()
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("closing takes %v", took)
		}
		if _, err := ds.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("error is %v", err)
		}
	})
}

// TestCloseIsBounded closes while the other end does not accept data, and while there is no other end.
func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := &cable{baud: 115200}
		a, b := line.plugs(1)
		defer line.cut(a, b)
		g, d := start(t, a, Config{}), start(t, b, Config{Role: Device})
		gs := accept(t, g)
		gs.SetDeadline(time.Now().Add(10 * time.Second))
		gs.Write(make([]byte, 1<<20))
		began := time.Now()
		g.Close()
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("closing takes %v", took)
		}
		began = time.Now()
		d.Close()
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("closing takes %v", took)
		}
	})
}

// stuck is a port that never accepts data.
type stuck struct {
	closed chan struct{}
	once   sync.Once
}

func (s *stuck) Read([]byte) (int, error)  { <-s.closed; return 0, io.EOF }
func (s *stuck) Write([]byte) (int, error) { <-s.closed; return 0, io.ErrClosedPipe }
func (s *stuck) Close() error              { s.once.Do(func() { close(s.closed) }); return nil }

func TestPortIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(&stuck{closed: make(chan struct{})}, Config{}, Hooks{})
		if err != nil {
			t.Fatal(err)
		}
		go s.Run()
		synctest.Wait()
		s.Close()
	})
}

func TestPortFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := &cable{baud: 115200}
		a, b := line.plugs(1)
		defer line.cut(a, b)
		g, err := New(a, Config{}, Hooks{})
		if err != nil {
			t.Fatal(err)
		}
		ran := make(chan error, 1)
		go func() { ran <- g.Run() }()
		d := start(t, b, Config{Role: Device})
		defer d.Close()
		gs := accept(t, g)
		failed := make(chan error, 1)
		go func() {
			_, err := g.Accept(t.Context())
			failed <- err
		}()
		a.Close()
		for _, c := range []chan error{ran, failed} {
			if err := <-c; !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("%v", err)
			}
		}
		if _, err := gs.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("Read: %v", err)
		}
		g.Close()
	})
}

func TestAcceptEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := &cable{baud: 115200}
		a, b := line.plugs(1)
		s := start(t, a, Config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := s.Accept(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Accept: %v", err)
		}
		s.Close()
		line.cut(a, b)
	})
}

func TestDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := &cable{baud: 115200}
		a, b := line.plugs(1)
		defer line.cut(a, b)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := Dial(ctx, b, Config{Role: Device}, Hooks{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without another end: %v", err)
		}
		if _, err := Dial(ctx, b, Config{Window: 9}, Hooks{}); err == nil || !b.isClosed() {
			t.Errorf("a wrong configuration: %v", err)
		}
		g := start(t, a.reopen(), Config{})
		for range 3 {
			b = b.reopen()
			ds, err := Dial(t.Context(), b, Config{Role: Device, Name: "mcu"}, Hooks{})
			if err != nil {
				t.Fatal(err)
			}
			gs := accept(t, g)
			ds.Write([]byte("all of it"))
			ds.Close()
			if got, err := io.ReadAll(gs); string(got) != "all of it" || err != nil {
				t.Errorf("%q, %v", got, err)
			}
			if !b.isClosed() {
				t.Error("the port is still open")
			}
			if name := g.Status().Peer.Name; name != "mcu" {
				t.Errorf("the other end is %q", name)
			}
		}
		// The stream ends with the port.
		b = b.reopen()
		ds, err := Dial(t.Context(), b, Config{Role: Device}, Hooks{})
		if err != nil {
			t.Fatal(err)
		}
		gs := accept(t, g)
		gs.Write([]byte("x"))
		gs.Close()
		if got, err := io.ReadAll(ds); string(got) != "x" || !errors.Is(err, ErrRestarted) {
			t.Errorf("Read: %v", err)
		}
		synctest.Wait()
		if !b.isClosed() {
			t.Error("the port is still open")
		}
		ds.Close()
		g.Close()
	})
}

// TestDialledStreamDisconnects closes a dialled stream and lets its station transmit before Close stops the station.
// The other end still receives a DISC.
func TestDialledStreamDisconnects(t *testing.T) {
	here, there := net.Pipe()
	disconnected := make(chan bool, 1)
	go func() { disconnected <- answerCalls(there) }()
	ds, err := Dial(t.Context(), here, Config{Role: Device, NoXID: true}, Hooks{})
	kit.Must(t, err)
	closed := make(chan error, 1)
	ds.station.stop.Do(func() { // Close waits for the end of this function before it stops the station
		go func() { closed <- ds.Close() }()
		<-ds.station.done
	})
	kit.Must(t, <-closed)
	if !<-disconnected {
		t.Error("the port was closed without a DISC")
	}
}

// answerCalls answers SABM and DISC until the port ends, and reports whether there was a DISC.
func answerCalls(port io.ReadWriteCloser) (disconnected bool) {
	defer port.Close()
	decoder := hdlc.NewDecoder(MaxInfo)
	buf := make([]byte, 256)
	for {
		n, err := port.Read(buf)
		for _, b := range buf[:n] {
			f, ok := decoder.Push(b)
			if kind := f.Control &^ pf; !ok || kind != sabm && kind != disc {
				continue
			}
			disconnected = disconnected || f.Control&^pf == disc
			port.Write(hdlc.Append(nil, hdlc.Frame{Address: toGateway, Control: ua | pf}))
		}
		if err != nil {
			return disconnected
		}
	}
}

func TestLogLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := &cable{baud: 115200}
		a, b := line.plugs(1)
		var said []string
		g, err := New(a, Config{}, Hooks{Log: func(line string) { said = append(said, line) }})
		if err != nil {
			t.Fatal(err)
		}
		go g.Run()
		d := start(t, b, Config{Role: Device})
		d.Log("boot: reset by watchdog\r\n")
		d.Log("\x1b[31mred\xff")
		accept(t, g)
		d.Close()
		g.Close()
		line.cut(a, b)
		if got := strings.Join(said, "|"); got != "boot: reset by watchdog| [31mred\uFFFD" {
			t.Errorf("%q", got)
		}
	})
}

// TestBaudSuspect checks that octets without a frame are reported after 5 s, once, and forgotten with the first frame.
func TestBaudSuspect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := &cable{baud: 115200}
		a, b := line.plugs(1)
		noticed := 0
		g, err := New(a, Config{}, Hooks{BaudSuspect: func() { noticed++ }})
		if err != nil {
			t.Fatal(err)
		}
		go g.Run()
		b.Write([]byte("a banner, as boot loaders print it\r\n"))
		time.Sleep(time.Minute)
		if g.Status().BaudSuspect || noticed != 0 {
			t.Error("a banner is no reason")
		}
		b.Write(hdlc.Append(nil, hdlc.Frame{Address: toGateway, Control: ui, Info: []byte("hello")}))
		for range 10 {
			time.Sleep(time.Second)
			b.Write([]byte("\x80\x7e\xf8\x00"))
		}
		synctest.Wait()
		if !g.Status().BaudSuspect || noticed != 1 {
			t.Errorf("noise was noticed %d times", noticed)
		}
		b.Write(hdlc.Append(nil, hdlc.Frame{Address: toGateway, Control: ui, Info: []byte("hello")}))
		synctest.Wait()
		time.Sleep(time.Second)
		if g.Status().BaudSuspect {
			t.Error("a frame does not clear it")
		}
		g.Close()
		line.cut(a, b)
	})
}
