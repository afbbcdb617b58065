package stage

import (
	"errors"
	"io"
	"sync"

	"runnel/edge/wamp"
	"runnel/transport/serial/pty"
)

// line is a device's end of a serial line. It carries one stream at a time, and each stream is a device that has just started.
type line struct {
	name   string
	device *pty.Device
	free   chan<- *line // where it goes when its stream is closed
	pumped chan struct{}

	mu  sync.Mutex
	now *stream // nil: bytes that arrive are lost
}

// newLine plugs a device in. It reads at all times, as a UART does.
func newLine(name, path string, free chan<- *line) (*line, error) {
	d, err := pty.Plug(path)
	if err != nil {
		return nil, err
	}
	l := &line{name: name, device: d, free: free, pumped: make(chan struct{})}
	go l.pump()
	return l, nil
}

func (l *line) pump() {
	defer close(l.pumped)
	b := make([]byte, 4<<10)
	for {
		n, err := l.device.Read(b)
		if err != nil {
			return
		}
		l.mu.Lock()
		now := l.now
		l.mu.Unlock()
		if now != nil {
			now.in.Write(b[:n]) // returns when it is read, or the stream closed
		}
	}
}

func (l *line) unplug() {
	l.device.Close()
	<-l.pumped
}

// open starts the device.
func (l *line) open() *stream {
	s := &stream{line: l}
	s.out, s.in = io.Pipe()
	l.mu.Lock()
	l.now = s
	l.mu.Unlock()
	return s
}

// Line starts a device on a free line that leads to the realm. Closing it frees the line.
func (h *House) Line(realm string) io.WriteCloser { return (<-h.lines[realm]).open() }

// stream is the time from one start of a device to the next.
type stream struct {
	line *line
	out  *io.PipeReader
	in   *io.PipeWriter
	once sync.Once
}

func (s *stream) Read(b []byte) (int, error)  { return s.out.Read(b) }
func (s *stream) Write(b []byte) (int, error) { return s.line.device.Write(b) }

var errOff = errors.New("the device is switched off")

// Close switches the device off without a message to the router, and frees the line.
func (s *stream) Close() error {
	s.once.Do(func() {
		s.line.mu.Lock()
		s.line.now = nil
		s.line.mu.Unlock()
		s.out.CloseWithError(errOff)
		s.in.CloseWithError(errOff)
		s.line.free <- s.line
	})
	return nil
}

// handshakeOnLine is Handshake for a device that has just started. It skips bytes that the router was still sending to the
// previous device.
func handshakeOnLine(s io.ReadWriter, serializer wamp.Serializer) error {
	if _, err := s.Write([]byte{0x7f, 0xf0 | byte(serializer), 0, 0}); err != nil {
		return err
	}
	var last [4]byte
	for last[0] != 0x7f || last[1]&0xf != byte(serializer) || last[2]|last[3] != 0 {
		copy(last[:], last[1:])
		if _, err := io.ReadFull(s, last[3:]); err != nil {
			return err
		}
	}
	return nil
}
