package serial

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"runnel/test/kit"
	"runnel/transport/serial/lapb"
	"runnel/transport/serial/pty"
)

// A device's frames, octet for octet as the link's specification gives them.
const (
	sabmToDevice = "\x7e\x03\x3f\x01\x6c\x92\xdc\x7e"
	uaToGateway  = "\x7e\x03\x73\xba\x61\xf8\xa3\x7e"
	helloI       = "\x7e\x01\x00\x7f\x01\x00\x00\xfb\xa8\x00\x48\x7e"
	answerI      = "\x7e\x03\x20\x7f\x71\x00\x00\xa4\x4e\xf8\x90\x7e"
	discToDevice = "\x7e\x03\x53\x72\x41\x96\x98\x7e"
)

// expectInput reads from the device's end until the text has arrived.
func expectInput(t *testing.T, d io.Reader, text string) {
	t.Helper()
	defer limited(d)()
	var all []byte
	buf := make([]byte, 256)
	for !bytes.Contains(all, []byte(text)) {
		n, err := d.Read(buf)
		if err != nil {
			t.Fatalf("%v after % x", err, all)
		}
		all = append(all, buf[:n]...)
	}
}

// runLink runs a line with the link. The device of a test acknowledges frames only where the test says so, which may be late on
// a busy machine: the link is patient.
func runLink(t *testing.T, link string, log *slog.Logger) (l *Line, peers chan peer, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l = NewLine(LineConfig{Name: "test", Port: Config{Device: link}, Framing: HDLC, Link: lapb.Config{Retries: 20, T1: 500 * time.Millisecond}, Log: log})
	peers = make(chan peer)
	done := make(chan error, 1)
	go func() {
		done <- l.Run(ctx, passTo(ctx, peers))
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return l, peers, stop
}

func TestLinkOnLine(t *testing.T) {
	link := filepath.Join(t.TempDir(), "port")
	d := plug(t, link)
	var log bytes.Buffer
	l, peers, stop := runLink(t, link, slog.New(slog.NewTextHandler(&log, nil)))
	expectInput(t, d, sabmToDevice)
	if s := l.State(); s.Phase != Listening || s.Link == nil || s.Link.Up {
		t.Errorf("%+v, link %+v", s, s.Link)
	}
	send(t, d, uaToGateway+"\x7e\x01\x03boot\x0e\x79\x97\x5a\x7e"+helloI)
	p := receive(t, peers)
	expect(t, p, "\x7f\x01\x00\x00")
	send(t, p, "\x7f\x71\x00\x00")
	expectInput(t, d, answerI)
	s := l.State()
	if s.Phase != Serving || !s.Link.Up || s.Link.Link.Connections != 1 || s.In == 0 || s.Out == 0 || s.Peers != 1 {
		t.Errorf("%+v, link %+v", s, s.Link)
	}

	// The device restarts, and calls.
	send(t, d, "\x7e\x01\x3f\x83\x0e\xa4\xee\x7e")
	expectInput(t, d, "\x7e\x01\x73\x38\x03\xce\x91\x7e")
	if _, err := p.Read(make([]byte, 1)); !errors.Is(err, lapb.ErrRestarted) {
		t.Errorf("Read: %v", err)
	}
	p.end <- lapb.ErrRestarted
	p = receive(t, peers)
	send(t, d, helloI)
	expect(t, p, "\x7f\x01\x00\x00")
	if s := l.State(); s.Opens != 1 || s.Losses != 0 || s.Peers != 2 || s.Link.Link.Resets != 1 {
		t.Errorf("%+v, link %+v", s, s.Link)
	}
	p.end <- nil

	// The router stops.
	go stop()
	expectInput(t, d, discToDevice)
	stop()
	kit.Eventually(t, "stopped", func() bool { return l.State().Phase == Stopped })
	for _, line := range []string{"msg=\"serial link up\"", `"serial device log" line=test text=boot`, "serial link lost"} {
		if !strings.Contains(log.String(), line) {
			t.Errorf("the log does not say %q:\n%s", line, &log)
		}
	}
	if s := l.State(); s.Link.Up || s.Link.Link.Connections != 2 {
		t.Errorf("afterwards %+v", s.Link)
	}
}

// TestLinkLog: a link that the device ends, and one that ends with the device, are not reported as lost.
func TestLinkLog(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(*pty.Device)
		want error
	}{
		"disconnected": {func(d *pty.Device) { send(t, d, "\x7e\x01\x53\xf0\x23\xa0\xaa\x7e") }, io.EOF},
		"unplugged":    {func(d *pty.Device) { kit.Must(t, d.Close()) }, ErrUnplugged},
	} {
		link := filepath.Join(t.TempDir(), "port")
		d := plug(t, link)
		var log bytes.Buffer
		_, peers, stop := runLink(t, link, slog.New(slog.NewTextHandler(&log, nil)))
		expectInput(t, d, sabmToDevice)
		send(t, d, uaToGateway+helloI)
		p := receive(t, peers)
		expect(t, p, "\x7f\x01\x00\x00")
		c.end(d)
		if _, err := p.Read(make([]byte, 1)); !errors.Is(err, c.want) {
			t.Errorf("%s: Read: %v", name, err)
		}
		p.end <- nil
		stop()
		if strings.Contains(log.String(), "serial link lost") {
			t.Errorf("%s:\n%s", name, &log)
		}
	}
}

// TestLinkReplug checks that the link reconnects when the device returns, and that its counters continue.
func TestLinkReplug(t *testing.T) {
	link := filepath.Join(t.TempDir(), "port")
	l, peers, _ := runLink(t, link, slog.New(slog.DiscardHandler))
	for i := range uint64(3) {
		d, err := pty.Plug(link)
		kit.Must(t, err)
		expectInput(t, d, sabmToDevice)
		send(t, d, uaToGateway+helloI)
		p := receive(t, peers)
		expect(t, p, "\x7f\x01\x00\x00")
		if s := l.State(); s.Opens != i+1 || s.Link.Link.Connections != i+1 {
			t.Errorf("%+v, link %+v", s, s.Link)
		}
		kit.Must(t, d.Close())
		if _, err := p.Read(make([]byte, 1)); !errors.Is(err, ErrUnplugged) {
			t.Errorf("Read: %v", err)
		}
		p.end <- ErrUnplugged
		kit.Eventually(t, "waiting", func() bool { return l.State().Phase == Waiting })
		if s := l.State(); s.Link.Up || s.Losses != i+1 {
			t.Errorf("%+v, link %+v", s, s.Link)
		}
	}
}

// TestDialLink is the device's end, octet for octet.
func TestDialLink(t *testing.T) {
	d := plug(t, filepath.Join(t.TempDir(), "port"))
	u, err := url.Parse("serial://" + d.Port() + "?framing=hdlc&name=mcu&t1=500ms&retries=20")
	kit.Must(t, err)
	type dialled struct {
		rw  io.ReadWriteCloser
		err error
	}
	done := make(chan dialled, 1)
	go func() {
		rw, err := OpenURL(context.Background(), u)
		done <- dialled{rw, err}
	}()
	expectInput(t, d, "mcu")
	expectInput(t, d, "\x01\x3f\x83\x0e\xa4\xee\x7e")
	send(t, d, "\x7e\x01\x73\x38\x03\xce\x91\x7e")
	got := receive(t, done)
	kit.Must(t, got.err)
	send(t, got.rw, "\x7f\x01\x00\x00")
	expectInput(t, d, helloI)
	send(t, d, answerI)
	expect(t, got.rw, "\x7f\x71\x00\x00")
	kit.Must(t, got.rw.Close())
	expectInput(t, d, "\x53") // DISC

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if rw, err := OpenURL(ctx, u); rw != nil || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without an answer: %v, %v", rw, err)
	}
}

func TestLinkConfigIsWrong(t *testing.T) {
	for want, c := range map[string]LineConfig{
		`run serial line /dev/ttyS0: 7 data bits: framing "hdlc" needs 8`:               {Port: Config{Device: "/dev/ttyS0", DataBits: 7}, Framing: HDLC},
		"run serial line /dev/ttyS0: window of 8 frames: want 1 to 7":                   {Port: Config{Device: "/dev/ttyS0"}, Framing: HDLC, Link: lapb.Config{Window: 8}},
		"run serial line usb *:*: device or USB identity is missing":                    {Framing: HDLC},
		"run serial line /dev/ttyS0: baud -1: out of range":                             {Port: Config{Device: "/dev/ttyS0", Baud: -1}, Framing: HDLC},
		"run serial line /dev/ttyS0: frames of 5 octets: want 32 to 1024":               {Port: Config{Device: "/dev/ttyS0"}, Framing: HDLC, Link: lapb.Config{Info: 5}},
		"run serial line /dev/ttyS0: T2 1s: want at most a quarter of T1 (50.677083ms)": {Port: Config{Device: "/dev/ttyS0"}, Framing: HDLC, Link: lapb.Config{T2: time.Second}},
	} {
		if err := NewLine(c).Run(context.Background(), nil); err == nil || err.Error() != want {
			t.Errorf("Run: %v, want %s", err, want)
		}
	}
}
