package serial

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"runnel/test/kit"
	"runnel/transport/serial/pty"
)

const hello = "\x7f\xf3\x00\x00"

// peer holds the arguments of a call of serve, which returns the error sent to end.
type peer struct {
	io.ReadWriteCloser
	end chan error
}

// running is a line under test.
type running struct {
	*Line
	peers chan peer
	stop  func()
}

func run(t *testing.T, c Config) running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := running{
		Line:  NewLine(LineConfig{Name: "test", Port: c, Log: slog.New(slog.DiscardHandler)}),
		peers: make(chan peer),
	}
	done := make(chan error, 1)
	go func() {
		done <- r.Run(ctx, passTo(ctx, r.peers))
	}()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if s := r.State(); s.Phase != Stopped || s.Device != "" {
			t.Errorf("stopped: %+v", s)
		}
	})
	t.Cleanup(r.stop)
	return r
}

// peer waits for the next peer.
func (r running) peer(t *testing.T) peer {
	t.Helper()
	select {
	case p := <-r.peers:
		return p
	case <-time.After(patience):
		t.Fatalf("no peer: %+v", r.State())
		return peer{}
	}
}

func (r running) await(t *testing.T, p Phase) {
	t.Helper()
	kit.Eventually(t, string(p), func() bool { return r.State().Phase == p })
}

// passTo returns a handler for a line: it passes each peer to the test, which ends it.
func passTo(ctx context.Context, peers chan<- peer) func(io.ReadWriteCloser) error {
	return func(rw io.ReadWriteCloser) error {
		p := peer{rw, make(chan error, 1)}
		select {
		case peers <- p:
			select {
			case err := <-p.end:
				return err
			case <-ctx.Done(): // the test has failed
				return ctx.Err()
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// greeted runs a line at a device that has said hello, and returns the device, the line and the peer.
func greeted(t *testing.T) (*pty.Device, running, peer) {
	t.Helper()
	link := filepath.Join(t.TempDir(), "port")
	d := plug(t, link)
	r := run(t, Config{Device: link})
	r.await(t, Listening)
	send(t, d, hello)
	p := r.peer(t)
	expect(t, p, hello)
	return d, r, p
}

func TestLineServes(t *testing.T) {
	link := filepath.Join(t.TempDir(), "port")
	d := plug(t, link)
	r := run(t, Config{Device: link})
	r.await(t, Listening)
	send(t, d, "boot\r\n"+hello+"one")
	p := r.peer(t)
	expect(t, p, hello+"one")
	send(t, p, "answer")
	expect(t, d, "answer")
	s := r.State()
	if s.Phase != Serving || s.Device != d.Port() || s.Opens != 1 || s.Peers != 1 || s.Skipped != 6 || s.In != 13 || s.Out != 6 || s.Err != nil {
		t.Errorf("%+v", s)
	}

	// The peer leaves, and the next one speaks up: it is the same opening of the port.
	p.Close()
	if _, err := p.Read(make([]byte, 1)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Read of a closed stream: %v", err)
	}
	p.end <- nil
	send(t, d, hello+"two")
	p = r.peer(t)
	expect(t, p, hello+"two")
	if s := r.State(); s.Opens != 1 || s.Losses != 0 || s.Peers != 2 {
		t.Errorf("%+v", s)
	}
	p.end <- nil
}

func TestLineReplug(t *testing.T) {
	link := filepath.Join(t.TempDir(), "port")
	r := run(t, Config{Device: link})
	r.await(t, Waiting)
	for i := range uint64(3) {
		d, err := pty.Plug(link)
		kit.Must(t, err)
		other, _, err := pty.Open() // so that the next device has another port
		kit.Must(t, err)
		defer other.Close()
		r.await(t, Listening)
		send(t, d, hello)
		p := r.peer(t)
		expect(t, p, hello)
		if s := r.State(); s.Opens != i+1 || s.Device != d.Port() {
			t.Errorf("%+v", s)
		}
		kit.Must(t, d.Close())
		if _, err := p.Read(make([]byte, 1)); !errors.Is(err, ErrUnplugged) {
			t.Errorf("Read: %v", err)
		}
		p.end <- errors.New("unplugged")
		r.await(t, Waiting)
		if s := r.State(); s.Losses != i+1 || s.Err == nil || s.Device != "" {
			t.Errorf("%+v", s)
		}
	}
}

func TestLineIsLostWhileNobodySpeaks(t *testing.T) {
	link := filepath.Join(t.TempDir(), "port")
	d := plug(t, link)
	r := run(t, Config{Device: link})
	r.await(t, Listening)
	kit.Must(t, d.Close())
	r.await(t, Waiting)
	plug(t, link)
	r.await(t, Listening)
}

// TestLineDeviceRestarts: a device restarts during a session. Its handshake arrives in the old stream, which fails. The
// handshake must not be lost, because the device sends nothing more until it is answered.
func TestLineDeviceRestarts(t *testing.T) {
	d, r, p := greeted(t)
	send(t, d, "half a mess")
	expect(t, p, "half a mess")
	for range 5 {
		send(t, d, hello)
		expect(t, p, hello)
		p.Close()
		p.end <- errors.New("bad frame")
		p = r.peer(t)
		expect(t, p, hello)
	}
	if s := r.State(); s.Opens != 1 || s.Losses != 0 {
		t.Errorf("%+v", s)
	}
	p.end <- nil
}

// TestLineRefusedHandshake: the router closes a peer after its handshake. The device's next handshake begins a new
// peer, which does not get the old one.
func TestLineRefusedHandshake(t *testing.T) {
	d, r, p := greeted(t)
	p.end <- errors.New("refused")
	r.await(t, Listening)
	send(t, d, "\x7f\xf1\x00\x00")
	p = r.peer(t)
	expect(t, p, "\x7f\xf1\x00\x00")
	if s := r.State(); s.Peers != 2 {
		t.Errorf("%+v", s)
	}
	p.end <- nil
}

func TestLineCloseInterruptsPeer(t *testing.T) {
	d, r, p := greeted(t)
	failed := make(chan error)
	go func() {
		_, err := p.Read(make([]byte, 1))
		failed <- err
	}()
	go func() {
		_, err := p.Write(make([]byte, 1<<20)) // more than fits while the device does not read
		failed <- err
	}()
	deadline := p.ReadWriteCloser.(interface{ SetDeadline(time.Time) error })
	kit.Must(t, deadline.SetDeadline(time.Now().Add(time.Hour)))
	p.Close()
	for range 2 {
		if err := receive(t, failed); !errors.Is(err, os.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
	if err := deadline.SetDeadline(time.Time{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("SetDeadline after Close: %v", err)
	}
	p.end <- nil
	send(t, d, hello) // the hour is not for the next peer, nor is the deadline that closed this one
	p = r.peer(t)
	expect(t, p, hello)
	p.end <- nil
}

func TestLineRefused(t *testing.T) {
	link := filepath.Join(t.TempDir(), "port")
	d := plug(t, link)
	pid, end := holder(t, d.Port())
	r := run(t, Config{Device: link})
	r.await(t, Refused)
	wantHeld(t, r.State().Err, pid)
	end()
	r.await(t, Listening)
}

func TestLineWaitsForItsPeer(t *testing.T) {
	link := filepath.Join(t.TempDir(), "port")
	d := plug(t, link)
	ctx, cancel := context.WithCancel(context.Background())
	l := NewLine(LineConfig{Port: Config{Device: link}, Log: slog.New(slog.DiscardHandler)})
	done := make(chan error, 1)
	go func() {
		done <- l.Run(ctx, func(rw io.ReadWriteCloser) error {
			cancel()
			_, err := io.WriteString(rw, "goodbye")
			return err
		})
	}()
	kit.Eventually(t, "open", func() bool { return l.State().Phase == Listening })
	send(t, d, hello)
	expect(t, d, "goodbye")
	if err := receive(t, done); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestLineConfigIsWrong(t *testing.T) {
	err := NewLine(LineConfig{Port: Config{Device: "/dev/ttyS0", StopBits: 3}}).Run(context.Background(), nil)
	if err == nil || err.Error() != "run serial line /dev/ttyS0: 3 stop bits: want 1 or 2" {
		t.Errorf("Run: %v", err)
	}
}

// TestLineSaysThingsOnce checks that the log reports a state once, not at each attempt.
func TestLineSaysThingsOnce(t *testing.T) {
	var log bytes.Buffer
	l := NewLine(LineConfig{Name: "greenhouse", Port: Config{Device: "/dev/gone"}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	retry := delay{min: retryMin, max: retryMax}
	_, err := Open(context.Background(), l.port)
	for range 3 {
		live, stop := context.WithCancel(context.Background())
		time.AfterFunc(time.Millisecond, stop)
		l.waitToOpen(live, err, &retry)
	}
	l.waitToOpen(ctx, err, &retry)
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "line=greenhouse") {
		t.Errorf("%d lines:\n%s", n, log.String())
	}
}

func TestDelay(t *testing.T) {
	d := delay{min: time.Second, max: 5 * time.Second}
	for i, want := range []time.Duration{1, 2, 4, 5, 5} {
		if d.next(0); d.current != want*time.Second {
			t.Errorf("%d: %v", i, d.current)
		}
	}
	if d.next(steady); d.current != 0 {
		t.Errorf("after what was steady: %v", d.current)
	}
	if d.next(0); d.current != time.Second {
		t.Errorf("then: %v", d.current)
	}
}

// TestDelayAfterPeers: only a peer that fails at once delays the next one.
func TestDelayAfterPeers(t *testing.T) {
	failed := errors.New("failed")
	d := delay{min: time.Second, max: 5 * time.Second}
	for i, c := range []struct {
		err    error
		lasted time.Duration
		want   time.Duration
	}{{nil, 0, 0}, {failed, 0, 1}, {failed, 0, 2}, {failed, steady, 0}, {failed, 0, 1}, {nil, 0, 0}, {failed, 0, 1}} {
		if d.after(c.err, c.lasted); d.current != c.want*time.Second {
			t.Errorf("after peer %d: %v", i, d.current)
		}
	}
}

// TestLineOfNoise: a device that sends other bytes than a handshake is reported once, from a certain number of bytes on.
func TestLineOfNoise(t *testing.T) {
	for _, c := range []struct {
		pieces   []int
		warnings int
	}{{[]int{noiseNote - 1}, 0}, {[]int{noiseNote}, 1}, {[]int{noiseNote - 1, 1}, 1}, {[]int{noiseNote, 1, noiseNote}, 1}} {
		link := filepath.Join(t.TempDir(), "port")
		d := plug(t, link)
		var log bytes.Buffer
		ctx, cancel := context.WithCancel(context.Background())
		l := NewLine(LineConfig{Port: Config{Device: link}, Log: slog.New(slog.NewTextHandler(&log, nil))})
		var done sync.WaitGroup
		done.Go(func() { l.Run(ctx, func(io.ReadWriteCloser) error { return nil }) })
		kit.Eventually(t, "open", func() bool { return l.State().Phase == Listening })
		sent := 0
		for _, n := range c.pieces {
			send(t, d, strings.Repeat("x", n))
			sent += n
			kit.Eventually(t, "skipped", func() bool { return l.State().Skipped == uint64(sent) })
		}
		cancel()
		done.Wait()
		if n := strings.Count(log.String(), "not a RawSocket handshake"); n != c.warnings {
			t.Errorf("%v: %d warnings, want %d:\n%s", c.pieces, n, c.warnings, &log)
		}
	}
}

// TestForeignLine has a device that does not speak RawSocket. It is served from the first octet on, while it is
// present.
func TestForeignLine(t *testing.T) {
	link := filepath.Join(t.TempDir(), "port")
	d := plug(t, link)
	l := NewLine(LineConfig{Port: Config{Device: link}, Framing: Foreign, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	heard, done := make(chan string), make(chan error, 1)
	go func() {
		done <- l.Run(ctx, func(rw io.ReadWriteCloser) error {
			buf := make([]byte, 64)
			for {
				n, err := rw.Read(buf)
				if err != nil {
					return err
				}
				heard <- string(buf[:n])
			}
		})
	}()
	for range 2 {
		kit.Eventually(t, "served", func() bool { return l.State().Phase == Serving })
		send(t, d, "text")
		got := ""
		for len(got) < len("text") { // which may come in pieces
			got += receive(t, heard)
		}
		if got != "text" {
			t.Errorf("heard %q", got)
		}
		kit.Must(t, d.Close())
		kit.Eventually(t, "lost", func() bool { return l.State().Phase == Waiting })
		d = plug(t, link)
	}
	kit.Eventually(t, "served", func() bool { return l.State().Phase == Serving })
	cancel() // which ends the reading
	kit.Must(t, receive(t, done))
	if s := l.State(); s.Phase != Stopped || s.Opens != 3 || s.Losses != 2 || s.UART != nil {
		t.Errorf("%+v", s)
	}
}
