package serial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"runnel/test/kit"
)

// portServer is a device server with RFC 2217 for one client. It answers each command by answer, nil for the same value, and
// returns the data that it receives, after its own.
type portServer struct {
	commands [][]byte // of the COM port option, in order; complete when done is closed
	done     chan struct{}
}

func serve(t *testing.T, verb byte, answer func(command byte, value []byte) []byte) (device string, s *portServer) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	kit.Must(t, err)
	s = &portServer{done: make(chan struct{})}
	go func() {
		defer close(s.done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		conn.Write([]byte{'o', 'l', 'd', telnetIAC, verb, optionPort, telnetIAC, telnetWill, 1, telnetIAC, telnetDo, 24})
		// A second telnet decoder reads the client's output, because the protocol is the same in both directions.
		far := &telnet{Conn: conn}
		far.answer = func(command byte, value []byte) {
			s.commands = append(s.commands, append([]byte{command}, value...))
			if command == portPurge {
				return
			}
			if answer != nil {
				value = answer(command, value)
			}
			reply := append([]byte{telnetIAC, telnetSB, optionPort, command + portAnswer}, bytes.ReplaceAll(value, []byte{telnetIAC}, []byte{telnetIAC, telnetIAC})...)
			far.command(append(reply, telnetIAC, telnetSE))
		}
		buf := make([]byte, 100)
		for {
			n, err := far.Read(buf)
			if err != nil {
				return
			}
			far.Write(buf[:n])
		}
	}()
	t.Cleanup(func() { l.Close(); <-s.done })
	return rfc2217Prefix + l.Addr().String(), s
}

func TestRFC2217(t *testing.T) {
	device, s := serve(t, telnetDo, nil)
	p, err := Open(context.Background(), Config{Device: device, Baud: 255, DataBits: 7, Parity: Even, StopBits: 2, Flow: RTSCTS, DTR: Off, RTS: Keep})
	kit.Must(t, err)
	data := append(bytes.Repeat([]byte{0, telnetIAC, '\r', '\n', telnetSE, telnetIAC}, 300), "end"...)
	go p.Write(data)
	got := make([]byte, len(data))
	_, err = io.ReadFull(p, got)
	kit.Must(t, err)
	if !bytes.Equal(got, data) {
		t.Errorf("%x", got)
	}
	kit.Must(t, p.Close())
	<-s.done
	want := [][]byte{{portBaud, 0, 0, 0, 255}, {portData, 7}, {portParity, 3}, {portStop, 2}, {portControl, 3}, {portControl, 9}, {portPurge, 3}}
	if !slices.EqualFunc(s.commands, want, bytes.Equal) {
		t.Errorf("%v, want %v", s.commands, want)
	}
}

func TestRFC2217Errors(t *testing.T) {
	for _, c := range []struct {
		verb   byte
		answer func(byte, []byte) []byte
		want   string
	}{
		{telnetDont, nil, "does not offer RFC 2217"},
		{telnetWont, nil, "does not offer RFC 2217"},
		{telnetDo, func(command byte, value []byte) []byte {
			if command == portBaud {
				return []byte{0, 0, 0x25, 0x80}
			}
			return value
		}, "set to 115200 8N1: the device server answers 00 00 25 80 to command 1"},
		{telnetDo, func(byte, []byte) []byte { return nil }, "the device server answers"},
	} {
		device, _ := serve(t, c.verb, c.answer)
		if p, err := Open(context.Background(), Config{Device: device}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, %v; want %s", p, err, c.want)
		}
	}
	// A silent server does not delay the end.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	kit.Must(t, err)
	defer l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		if conn, err := l.Accept(); err == nil {
			defer conn.Close()
			conn.Read(make([]byte, 100))
			cancel()
			io.Copy(io.Discard, conn)
		}
	}()
	if _, err := Open(ctx, Config{Device: rfc2217Prefix + l.Addr().String()}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for _, device := range []string{"rfc2217://", "rfc2217://host", "rfc2217://:1"} {
		if (Config{Device: device}).Validate() == nil {
			t.Errorf("%s was accepted", device)
		}
	}
}

// discard is a connection that takes everything.
type discard struct{ net.Conn }

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// FuzzTelnet: any bytes cost bounded memory.
func FuzzTelnet(f *testing.F) {
	f.Add([]byte{1, telnetIAC, telnetIAC, telnetIAC, telnetSB, optionPort, portBaud + portAnswer, 0, telnetIAC, telnetIAC, telnetIAC, telnetSE, telnetIAC, telnetDo, 24})
	f.Fuzz(func(t *testing.T, octets []byte) {
		c := &telnet{Conn: discard{}, answer: func(byte, []byte) {}}
		for _, b := range octets {
			if _, err := c.push(b); err != nil || len(c.option) > maxOption {
				t.Fatal(err, len(c.option))
			}
		}
	})
}

// server is a connection to a device server that sends given bytes, and keeps the bytes that it receives.
type server struct {
	net.Conn
	sends    io.Reader
	received bytes.Buffer
	refuses  error // of writes
	end      time.Time
}

func (s *server) Read(b []byte) (int, error) { return s.sends.Read(b) }

func (s *server) Write(b []byte) (int, error) {
	if s.refuses != nil {
		return 0, s.refuses
	}
	return s.received.Write(b)
}

func (s *server) SetDeadline(t time.Time) error { s.end = t; return nil }

// TestTelnetRead: commands and options are no data, in whatever pieces they arrive.
func TestTelnetRead(t *testing.T) {
	long := strings.Repeat("v", 2*maxOption)
	for _, c := range []struct{ name, sent, data, replies, answers string }{
		{"data", "abc", "abc", "", ""},
		{"a data byte of 255", "a\xff\xffb", "a\xffb", "", ""},
		{"a command without an option", "a\xff\xf1b", "ab", "", ""},
		{"an offer", "a\xff\xfb\x01b", "ab", "\xff\xfe\x01", ""},
		{"a request", "a\xff\xfd\x18b", "ab", "\xff\xfc\x18", ""},
		{"a withdrawn offer", "a\xff\xfc\x01b", "ab", "", ""},
		{"a withdrawn request", "a\xff\xfe\x18b", "ab", "", ""},
		{"options that were agreed on", "a\xff\xfd\x00\xff\xfb\x00\xff\xfd\x03\xff\xfb\x03b", "ab", "", ""},
		{"an answer", "a\xff\xfa\x2c\x65\x00\x01\xff\xf0b", "ab", "", "101=\x00\x01;"},
		{"an answer with 255", "a\xff\xfa\x2c\x65\xff\xff\x01\xff\xf0b", "ab", "", "101=\xff\x01;"},
		{"an answer without a value", "a\xff\xfa\x2c\x65\xff\xf0b", "ab", "", "101=;"},
		{"a subnegotiation without a command", "a\xff\xfa\x2c\xff\xf0b", "ab", "", ""},
		{"a subnegotiation of another option", "a\xff\xfa\x18\x65\x01\xff\xf0b", "ab", "", ""},
		{"two answers", "\xff\xfa\x2c\x65\x01\xff\xf0\xff\xfa\x2c\x66\x02\xff\xf0", "", "", "101=\x01;102=\x02;"},
		{"a long answer", "a\xff\xfa\x2c\x65" + long + "\xff\xf0b", "ab", "", "101=" + long[:maxOption-2] + ";"},
	} {
		for _, pieces := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.DataErrReader} {
			conn, answers := &server{sends: pieces(strings.NewReader(c.sent))}, ""
			far := &telnet{Conn: conn, answer: func(command byte, value []byte) { answers += fmt.Sprintf("%d=%s;", command, value) }}
			data, err := io.ReadAll(far)
			if string(data) != c.data || err != nil || conn.received.String() != c.replies || answers != c.answers {
				t.Errorf("%s: data %q, %v; replies %q, answers %q", c.name, data, err, &conn.received, answers)
			}
		}
	}
}

// TestTelnetReadErrors: an empty read does not wait for the server, and a reply that fails ends a read.
func TestTelnetReadErrors(t *testing.T) {
	far := &telnet{Conn: &server{sends: iotest.ErrReader(io.ErrUnexpectedEOF)}}
	if n, err := far.Read(nil); n != 0 || err != nil {
		t.Errorf("an empty read: %d, %v", n, err)
	}
	if n, err := far.Read(make([]byte, 5)); n != 0 || err != io.ErrUnexpectedEOF {
		t.Errorf("a read of a lost connection: %d, %v", n, err)
	}
	far.Conn = &server{sends: strings.NewReader("ab\xff\xfb\x01c"), refuses: io.ErrClosedPipe}
	b := make([]byte, 20)
	if n, err := far.Read(b); string(b[:n]) != "ab" || err != io.ErrClosedPipe {
		t.Errorf("a reply that fails: %q, %v", b[:n], err)
	}
}

func TestTelnetWrite(t *testing.T) {
	for data, want := range map[string]string{"": "", "abc": "abc", "\xff": "\xff\xff", "a\xff\xffb": "a\xff\xff\xff\xffb"} {
		conn := &server{}
		if n, err := (&telnet{Conn: conn}).Write([]byte(data)); n != len(data) || err != nil || conn.received.String() != want {
			t.Errorf("%q: wrote %q, %d, %v", data, &conn.received, n, err)
		}
	}
	if n, err := (&telnet{Conn: &server{refuses: io.ErrClosedPipe}}).Write([]byte("abc")); n != 0 || err != io.ErrClosedPipe {
		t.Errorf("a write that fails: %d, %v", n, err)
	}
}

// TestTelnetNegotiation: the server's answers to the client's settings decide.
func TestTelnetNegotiation(t *testing.T) {
	const (
		offer   = "\xff\xfd\x2c"
		settled = "\xff\xfa\x2c\x65\x00\x00\x25\x80\xff\xf0" + "\xff\xfa\x2c\x66\x08\xff\xf0" + "\xff\xfa\x2c\x67\x01\xff\xf0" + "\xff\xfa\x2c\x68\x01\xff\xf0"
	)
	for _, c := range []struct {
		name          string
		offers, sends string // before and after the client's settings
		then          error  // of reading on
		want          error
	}{
		{"all confirmed", offer, settled, io.EOF, nil},
		{"an offer in the other direction", "\xff\xfb\x2c", settled, io.EOF, nil},
		{"a withdrawal after the offer", offer + "\xff\xfe\x2c", settled, io.EOF, nil},
		{"a refusal", "\xff\xfe\x2c", settled, io.EOF, errNoRFC2217},
		{"reports of the line's state between", offer, "\xff\xfa\x2c\x6a\x05\xff\xf0" + settled, io.EOF, nil},
		{"another value", offer, "\xff\xfa\x2c\x66\x07\xff\xf0", io.EOF, ErrSetting},
		{"one answer is missing", offer, settled[:len(settled)-7], os.ErrDeadlineExceeded, errNoTelnet},
		{"silence", "", "", os.ErrDeadlineExceeded, errNoTelnet},
		{"a lost connection", offer, "", io.EOF, io.EOF},
	} {
		conn := &server{sends: io.MultiReader(strings.NewReader(c.offers), strings.NewReader(c.sends), iotest.ErrReader(c.then))}
		far, err := newTelnet(conn, Config{Baud: 9600}.withDefaults())
		if !errors.Is(err, c.want) || (err == nil) != (far != nil) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err == nil && !conn.end.IsZero() {
			t.Errorf("%s: the connection ends with the time for the settings", c.name)
		}
	}
	if _, err := newTelnet(&server{refuses: io.ErrClosedPipe}, Config{}.withDefaults()); err != io.ErrClosedPipe {
		t.Errorf("a write that fails: %v", err)
	}
}

// The server gets the flow control, and each control signal that the configuration does not leave as it is.
func TestRFC2217Signals(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		want   [][]byte // of portControl
	}{
		"none":     {Config{DTR: Keep, RTS: Keep}, [][]byte{{portControl, 1}}},
		"on":       {Config{Flow: XONXOFF, DTR: On, RTS: On}, [][]byte{{portControl, 2}, {portControl, 8}, {portControl, 11}}},
		"off":      {Config{DTR: Off, RTS: Off}, [][]byte{{portControl, 1}, {portControl, 9}, {portControl, 12}}},
		"RTS only": {Config{DTR: Keep, RTS: Off}, [][]byte{{portControl, 1}, {portControl, 12}}},
	} {
		device, s := serve(t, telnetDo, nil)
		c.config.Device = device
		p, err := Open(context.Background(), c.config)
		kit.Must(t, err)
		kit.Must(t, p.Close())
		<-s.done
		got := slices.DeleteFunc(s.commands, func(command []byte) bool { return command[0] != portControl })
		if !slices.EqualFunc(got, c.want, bytes.Equal) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// The server must confirm each line parameter.
func TestRFC2217Confirms(t *testing.T) {
	for _, wrong := range []byte{portBaud, portData, portParity, portStop, portControl} {
		device, _ := serve(t, telnetDo, func(command byte, value []byte) []byte {
			if command == wrong {
				return append(bytes.Clone(value[1:]), value[0]+1)
			}
			return value
		})
		p, err := Open(context.Background(), Config{Device: device})
		if refused := errors.Is(err, ErrSetting) && strings.Contains(err.Error(), fmt.Sprintf("to command %d,", wrong)); refused != (wrong != portControl) {
			t.Errorf("command %d: %v", wrong, err)
		}
		if err == nil {
			kit.Must(t, p.Close())
		}
	}
}
