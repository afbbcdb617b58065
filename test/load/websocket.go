package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// webSocket lets the RawSocket client speak WebSocket. It answers the RawSocket handshake itself and turns each frame
// into a masked WebSocket message, and back. The mask is zero, but a server still has to unmask.
type webSocket struct {
	net.Conn
	r          *bufio.Reader
	opcode     byte
	handshaken bool
	in         []byte // RawSocket frames that Read has yet to return
	out        []byte
	part       []byte // the beginning of a frame whose rest is yet to be written
}

// The first byte of a final frame, and opcodes (RFC 6455, section 5.2).
const (
	finalText   = 0x81
	finalBinary = 0x82
	finalPong   = 0x8a
	masked      = 0x80
	closeOpcode = 8
	pingOpcode  = 9
)

func upgrade(c net.Conn, host, serializer string) (net.Conn, error) {
	subprotocol := "wamp.2." + serializer
	fmt.Fprintf(c, "GET /ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: %s\r\n\r\n", host, subprotocol)
	r := bufio.NewReaderSize(c, streamBuffer)
	answer, err := http.ReadResponse(r, nil)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusSwitchingProtocols || !strings.EqualFold(answer.Header.Get("Sec-WebSocket-Protocol"), subprotocol) {
		return nil, fmt.Errorf("WebSocket upgrade refused: %s", answer.Status)
	}
	w := &webSocket{Conn: c, r: r, opcode: finalBinary}
	if serializer == "json" {
		w.opcode = finalText
	}
	return w, nil
}

func (w *webSocket) Write(p []byte) (int, error) {
	n := len(p)
	if !w.handshaken {
		w.handshaken, w.in, p = true, append(w.in, p[:4]...), p[4:]
	}
	if len(w.part) > 0 {
		p = append(w.part, p...)
	}
	w.out = w.out[:0]
	for len(p) >= 4 {
		size := int(binary.BigEndian.Uint32(p) & 0xffffff)
		if len(p) < 4+size {
			break
		}
		w.out = append(appendHead(w.out, w.opcode, size), p[4:4+size]...)
		p = p[4+size:]
	}
	w.part = append([]byte(nil), p...)
	_, err := w.Conn.Write(w.out)
	return n, err
}

// appendHead writes the head of a masked frame whose mask is zero.
func appendHead(b []byte, first byte, size int) []byte {
	switch {
	case size < 126:
		b = append(b, first, masked|byte(size))
	case size < 1<<16:
		b = append(b, first, masked|126, byte(size>>8), byte(size))
	default:
		b = binary.BigEndian.AppendUint64(append(b, first, masked|127), uint64(size))
	}
	return append(b, 0, 0, 0, 0)
}

func (w *webSocket) Read(p []byte) (int, error) {
	for len(w.in) == 0 {
		if err := w.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, w.in)
	w.in = append(w.in[:0], w.in[n:]...)
	return n, nil
}

// fill reads all available frames.
func (w *webSocket) fill() error {
	for {
		if err := w.frame(); err != nil {
			return err
		}
		if w.r.Buffered() < 2 || len(w.in) > streamBuffer/2 {
			return nil
		}
	}
}

func (w *webSocket) frame() error {
	first, size, err := w.frameHead()
	if err != nil {
		return err
	}
	opcode := first & 15
	at := len(w.in)
	if opcode < closeOpcode {
		w.in = append(w.in, 0, byte(size>>16), byte(size>>8), byte(size))
		at += 4
	}
	w.in = append(w.in, make([]byte, size)...)
	if _, err := io.ReadFull(w.r, w.in[at:]); err != nil {
		return err
	}
	switch opcode {
	case closeOpcode:
		return io.EOF
	case pingOpcode:
		_, err = w.Conn.Write(append(appendHead(nil, finalPong, size), w.in[at:]...))
	}
	if opcode >= closeOpcode {
		w.in = w.in[:at]
	}
	return err
}

func (w *webSocket) frameHead() (first byte, size int, err error) {
	var h [8]byte
	if _, err := io.ReadFull(w.r, h[:2]); err != nil {
		return 0, 0, err
	}
	first, size = h[0], int(h[1]&127)
	switch size {
	case 126:
		_, err = io.ReadFull(w.r, h[:2])
		size = int(binary.BigEndian.Uint16(h[:]))
	case 127:
		_, err = io.ReadFull(w.r, h[:8])
		size = int(binary.BigEndian.Uint64(h[:]))
	}
	if size > 1<<24 {
		err = fmt.Errorf("WebSocket frame of %d bytes", size)
	}
	return first, size, err
}
