package wire

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"

	"runnel/test/kit"
)

// secured makes a TLS connection over a pair of sockets. The server has the Records, and the first octet was read before.
func secured(t *testing.T) (client *tls.Conn, raw net.Conn, server *tls.Conn) {
	t.Helper()
	certificate, err := kit.Sign("node", x509.Certificate{}, nil)
	kit.Must(t, err)
	a, b := sockets(t)
	client = tls.Client(a, &tls.Config{InsecureSkipVerify: true})
	shaken := make(chan error, 1)
	go func() { shaken <- client.Handshake() }()
	var first [1]byte
	_, err = io.ReadFull(b, first[:])
	kit.Must(t, err)
	server = tls.Server(NewRecords(b, first[:]), &tls.Config{Certificates: []tls.Certificate{certificate}, SessionTicketsDisabled: true})
	kit.Must(t, server.Handshake())
	kit.Must(t, <-shaken)
	return client, a, server
}

// TestRecords: data in records of all lengths, one or many at a time, is read completely.
func TestRecords(t *testing.T) {
	for _, c := range []struct{ each, n int }{{1, 500}, {30, 3000}, {smallSize, 20}, {smallSize + 1, 20}, {16 << 10, 40}, {300_000, 2}} {
		client, _, server := secured(t)
		conn := New(server, nil)
		sent := make([]byte, c.each*c.n)
		for i := range sent {
			sent[i] = byte(i * 7 >> 3)
		}
		go func() {
			for rest := sent; len(rest) > 0; rest = rest[c.each:] {
				client.Write(rest[:c.each])
			}
		}()
		for have := 0; have < len(sent); {
			if err := conn.Fill(1); err != nil {
				t.Fatal(c, err)
			}
			if b := conn.Buffered(); !bytes.Equal(b, sent[have:have+len(b)]) {
				t.Fatalf("%v: other bytes at %d", c, have)
			}
			have += len(conn.Buffered())
			conn.Discard(len(conn.Buffered()))
		}
		go conn.Fill(1)
		awaitReader(conn)
		if n := lent(); n != 0 {
			t.Errorf("%v: a reader that waits has %d buffers", c, n)
		}
		kit.Must(t, conn.Close())
	}
}

// A web server may have read a part of a record before the Conn is made. The rest is read without a wait for more.
func TestRestOfARecord(t *testing.T) {
	client, _, server := secured(t)
	conn := New(server, nil)
	_, err := client.Write([]byte("hello"))
	kit.Must(t, err)
	var first [1]byte
	_, err = io.ReadFull(server, first[:])
	kit.Must(t, err)
	if err := conn.Fill(4); err != nil || string(conn.Buffered()) != "ello" {
		t.Errorf("%q, %v", conn.Buffered(), err)
	}
	kit.Must(t, conn.Close())
}

// TestPartOfARecord: a reader that waits for the rest of a record has no lent buffer, and none inside crypto/tls.
func TestPartOfARecord(t *testing.T) {
	client, a, server := secured(t)
	conn := New(server, nil)
	defer conn.Close()
	_, err := client.Write([]byte("x"))
	kit.Must(t, err)
	kit.Must(t, conn.Fill(1))
	conn.Discard(1)
	head := binary.BigEndian.AppendUint16([]byte{23, 3, 3}, 16<<10)
	_, err = a.Write(append(head, make([]byte, 3000)...))
	kit.Must(t, err)
	filled := make(chan error, 1)
	go func() { filled <- conn.Fill(1) }()
	kit.Eventually(t, "the part has been read and its buffer is returned", func() bool {
		return conn.received.Load()&readerWaits != 0 && lent() == 0
	})
	a.Close()
	if err := <-filled; err != io.ErrUnexpectedEOF {
		t.Errorf("error is %v", err)
	}
}

// TestBadRecords: crypto/tls reports records that are malformed, at once.
func TestBadRecords(t *testing.T) {
	for want, b := range map[string][]byte{
		"oversized record": append(binary.BigEndian.AppendUint16([]byte{23, 3, 3}, 1<<16-1), make([]byte, maxRecord)...),
		"bad record MAC":   append(binary.BigEndian.AppendUint16([]byte{23, 3, 3}, 100), make([]byte, 100)...),
		"version 3203":     {23, 0x32, 3, 0, 1, 1},
	} {
		_, a, server := secured(t)
		conn := New(server, nil)
		_, err := a.Write(b)
		kit.Must(t, err)
		if err := conn.Fill(1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
		if n := lent(); n != 0 {
			t.Errorf("%s: %d buffers are still lent", want, n)
		}
	}
}

// TestInterruptedRecords: the connection can be read after the wait was interrupted.
func TestInterruptedRecords(t *testing.T) {
	client, _, server := secured(t)
	conn := New(server, nil)
	for _, text := range []string{"a", "b"} {
		go func() {
			awaitReader(conn)
			conn.Interrupt()
		}()
		if err := conn.Fill(1); err != ErrInterrupted {
			t.Fatal(err)
		}
		_, err := client.Write([]byte(text))
		kit.Must(t, err)
		if err := conn.Fill(1); err != nil || string(conn.Buffered()) != text {
			t.Fatalf("%q, %v", conn.Buffered(), err)
		}
		conn.Discard(1)
	}
	kit.Must(t, client.Close())
	if err := conn.Fill(1); err != io.EOF {
		t.Errorf("error is %v", err)
	}
}
