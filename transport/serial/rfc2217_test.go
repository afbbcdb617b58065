package serial

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

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
		// A telnet of its own reads what the client sends: the protocol is the same in both directions.
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
	// A server that says nothing does not hold up the end.
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
