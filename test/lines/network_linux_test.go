package lines

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/test/kit"
)

// accept waits for the router to connect.
func accept(t *testing.T, server net.Listener) net.Conn {
	t.Helper()
	conn, err := server.Accept()
	kit.Must(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	server, err := net.Listen("tcp", "127.0.0.1:0")
	kit.Must(t, err)
	t.Cleanup(func() { server.Close() })
	return server
}

// TestDeviceServer reads a text sensor behind a serial device server, which disappears and returns.
func TestDeviceServer(t *testing.T) {
	server := listen(t)
	r := start(t, line("weather", "tcp://"+server.Addr().String(), "format = \"csv\"\ncolumns = [\"n\"]\ntopic = \"com.example.weather\""))
	events := r.hear(t)
	for n := range 2 {
		conn := accept(t, server)
		r.opened(t, "weather", n+1)
		fmt.Fprintf(conn, "\n%d\n", n)
		if e := next(t, events); e.kwargs["n"] != int64(n) {
			t.Errorf("%v, want %d", e, n)
		}
		conn.Close()
		kit.Eventually(t, "the connection is lost", func() bool {
			s := r.state(t, "weather")
			return s.State != "serving" || s.Opens > n+1 // it has returned meanwhile
		})
	}
}

// TestModbusTCP reads and writes a unit of a Modbus TCP server, and one by RTU over TCP.
func TestModbusTCP(t *testing.T) {
	tcp, rtu := listen(t), listen(t)
	meter := &slave{words: map[uint16]uint16{0: 215, 1: 7}}
	serve := func(server net.Listener, headed bool) {
		for {
			conn, err := server.Accept()
			if err != nil {
				return
			}
			go meter.serve(conn, headed)
		}
	}
	go serve(tcp, true)
	go serve(rtu, false)
	const registers = "\n[[serial.modbus]]\nname = \"t\"\nslave = 1\naddress = \"40001\"\nscale = 0.1\npublish = \"always\"\n" +
		"[[serial.modbus]]\nname = \"n\"\nslave = 1\naddress = \"40002\"\npublish = \"always\"\nwrite = \"com.example.%s.set\"\n"
	config := ""
	for name, more := range map[string]string{"tcp": "device = \"tcp://" + tcp.Addr().String() + "\"", "rtu": "device = \"tcp://" + rtu.Addr().String() + "\"\nframing = \"rtu\""} {
		config += fmt.Sprintf("[[serial]]\nname = %q\n%s\nmode = \"modbus\"\nrole = \"sensor\"\nevery = \"100ms\"\ntopic = \"com.example.%s.{name}\"", name, more, name) + fmt.Sprintf(registers, name)
	}
	r := start(t, config)
	events := r.hear(t)
	want := map[string]any{"com.example.tcp.t": 21.5, "com.example.tcp.n": int64(7), "com.example.rtu.t": 21.5, "com.example.rtu.n": int64(7)}
	seen := map[string]bool{}
	for len(seen) < len(want) {
		e := next(t, events)
		if want[e.topic] != e.kwargs["value"] {
			t.Fatalf("%v, want %v", e, want)
		}
		seen[e.topic] = true
	}
	for _, name := range []string{"tcp", "rtu"} {
		_, err := r.Call(t.Context(), "com.example."+name+".set", client.CallOptions{}, client.Args(int64(42)))
		kit.Must(t, err)
	}
	kit.Eventually(t, "the value is set", func() bool {
		meter.mu.Lock()
		defer meter.mu.Unlock()
		return meter.words[1] == 42
	})
}

// serve answers over a connection, as Modbus TCP or as RTU.
func (s *slave) serve(conn net.Conn, headed bool) {
	defer conn.Close()
	for {
		if !headed {
			frame := make([]byte, 8)
			if _, err := io.ReadFull(conn, frame); err != nil {
				return
			}
			time.Sleep(time.Millisecond)
			conn.Write(s.answer(frame))
			continue
		}
		head := make([]byte, 12)
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		answer := s.answer(seal(head[6:12:12]))
		answer = answer[:len(answer)-2]
		conn.Write(append([]byte{head[0], head[1], 0, 0, 0, byte(len(answer))}, answer...))
	}
}
