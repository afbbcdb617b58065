package serial

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// A device server with RFC 2217 gets the line parameters from its client, by options of Telnet. A telnet connection moves the
// bytes of such a port.

// Telnet commands and options (RFC 854, 856, 858, 2217).
const (
	telnetSE   = 240
	telnetSB   = 250
	telnetWill = 251
	telnetWont = 252
	telnetDo   = 253
	telnetDont = 254
	telnetIAC  = 255

	optionBinary  = 0
	optionGoAhead = 3 // suppressed
	optionPort    = 44
)

// Commands of the COM port option. The server answers with the command plus portAnswer.
const (
	portBaud    = 1
	portData    = 2
	portParity  = 3
	portStop    = 4
	portControl = 5
	portPurge   = 12
	portAnswer  = 100
)

// negotiation bounds the time for the options and the line parameters.
const negotiation = 10 * time.Second

// maxOption is the length of the longest option that is understood, in bytes.
const maxOption = 16

var (
	errNoRFC2217 = errors.New("the device server does not offer RFC 2217; use tcp:// and set the line parameters at the server")
	errNoTelnet  = errors.New("no answer to the line parameters; if the device server has no RFC 2217, use tcp://")
)

// telnet is a connection to an RFC 2217 server.
type telnet struct {
	net.Conn

	writing sync.Mutex // a write must not be split by an answer

	// Owned by the reader.
	state  telnetState
	verb   byte
	option []byte // of a subnegotiation
	raw    [512]byte

	offered bool                             // the server offers the COM port option
	refused bool                             // the server refuses it
	answer  func(command byte, value []byte) // called for an answer of the COM port option; may be nil
}

// telnetState determines the meaning of the next byte.
type telnetState uint8

const (
	telnetData      telnetState = iota
	telnetCommand               // after IAC
	telnetOption                // after WILL, WONT, DO or DONT
	telnetSub                   // within a subnegotiation
	telnetSubEscape             // within it, after IAC
)

// newTelnet sets the line parameters. The caller closes conn after an error.
func newTelnet(conn net.Conn, c Config) (*telnet, error) {
	t := &telnet{Conn: conn}
	conn.SetDeadline(time.Now().Add(negotiation))
	if err := t.negotiate(c); errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, errNoTelnet
	} else if err != nil {
		return nil, err
	}
	t.answer = nil
	return t, conn.SetDeadline(time.Time{})
}

// negotiate agrees on the options, sets the line parameters and waits until the server confirms them.
func (t *telnet) negotiate(c Config) error {
	var hello []byte
	for _, option := range []byte{optionBinary, optionGoAhead} {
		hello = append(hello, telnetIAC, telnetWill, option, telnetIAC, telnetDo, option)
	}
	if err := t.command(append(hello, telnetIAC, telnetWill, optionPort)); err != nil {
		return err
	}
	if err := t.await(func() bool { return t.offered }); err != nil {
		return err
	}
	wanted, requests := map[byte][]byte{}, []byte{}
	for _, p := range c.parameters() {
		if p.check {
			wanted[p.command+portAnswer] = p.value
		}
		requests = append(requests, telnetIAC, telnetSB, optionPort, p.command)
		requests = append(requests, escaped(p.value)...)
		requests = append(requests, telnetIAC, telnetSE)
	}
	var wrong error
	t.answer = func(command byte, value []byte) {
		want, asked := wanted[command]
		if asked && !bytes.Equal(value, want) {
			wrong = fmt.Errorf("%w to %s: the device server answers % x to command %d, want % x", ErrSetting, c.mode(), value, command-portAnswer, want)
		}
		delete(wanted, command)
	}
	if err := t.command(requests); err != nil {
		return err
	}
	if err := t.await(func() bool { return len(wanted) == 0 || wrong != nil }); err != nil {
		return err
	}
	return wrong
}

// portParameter is a setting of the COM port option.
type portParameter struct {
	command byte
	value   []byte
	check   bool // the server must confirm this value
}

// parameters returns the settings of a port.
func (c Config) parameters() []portParameter {
	list := []portParameter{
		{portBaud, binary.BigEndian.AppendUint32(nil, uint32(c.Baud)), true},
		{portData, []byte{byte(c.DataBits)}, true},
		{portParity, []byte{byte(c.Parity) + 1}, true},
		{portStop, []byte{byte(c.StopBits)}, true},
		{portControl, []byte{[...]byte{NoFlow: 1, XONXOFF: 2, RTSCTS: 3}[c.Flow]}, false},
	}
	if c.DTR != Keep {
		list = append(list, portParameter{portControl, []byte{[...]byte{On: 8, Off: 9}[c.DTR]}, false})
	}
	if c.RTS != Keep {
		list = append(list, portParameter{portControl, []byte{[...]byte{On: 11, Off: 12}[c.RTS]}, false})
	}
	return append(list, portParameter{portPurge, []byte{3}, false}) // both buffers
}

// await reads until done. Data that arrive meanwhile are dropped, because the port was not set up when they were sent.
func (t *telnet) await(done func() bool) error {
	dropped := make([]byte, len(t.raw))
	for !done() {
		if t.refused {
			return errNoRFC2217
		}
		if _, err := t.read(dropped); err != nil {
			return err
		}
	}
	return nil
}

// Read reads at least one byte from the device.
func (t *telnet) Read(b []byte) (n int, err error) {
	for n == 0 && err == nil && len(b) > 0 {
		n, err = t.read(b)
	}
	return n, err
}

// read reads once, and returns the data in it.
func (t *telnet) read(b []byte) (n int, err error) {
	got, err := t.Conn.Read(t.raw[:min(len(b), len(t.raw))])
	for _, c := range t.raw[:got] {
		if data, err := t.push(c); err != nil {
			return n, err
		} else if data {
			b[n] = c
			n++
		}
	}
	return n, err
}

// push takes a byte, and reports whether it is data of the device.
func (t *telnet) push(c byte) (data bool, err error) {
	switch t.state {
	case telnetData:
		if c != telnetIAC {
			return true, nil
		}
		t.state = telnetCommand
	case telnetCommand:
		switch c {
		case telnetIAC:
			t.state = telnetData
			return true, nil
		case telnetSB:
			t.state, t.option = telnetSub, t.option[:0]
		case telnetWill, telnetWont, telnetDo, telnetDont:
			t.state, t.verb = telnetOption, c
		default:
			t.state = telnetData
		}
	case telnetOption:
		t.state = telnetData
		return false, t.agree(t.verb, c)
	case telnetSub:
		if c == telnetIAC {
			t.state = telnetSubEscape
		} else {
			t.keep(c)
		}
	case telnetSubEscape:
		t.state = telnetSub
		if c == telnetIAC {
			t.keep(c)
			return false, nil
		}
		t.state = telnetData
		if len(t.option) > 1 && t.option[0] == optionPort && t.answer != nil {
			t.answer(t.option[1], t.option[2:])
		}
	}
	return false, nil
}

func (t *telnet) keep(c byte) {
	if len(t.option) < maxOption {
		t.option = append(t.option, c)
	}
}

// agree answers an option of the server. Those that were offered or requested need no answer; others are rejected.
func (t *telnet) agree(verb, option byte) error {
	switch {
	case option == optionPort && (verb == telnetDo || verb == telnetWill):
		t.offered = true
	case option == optionPort:
		t.refused = t.refused || !t.offered
	case option == optionBinary || option == optionGoAhead:
	case verb == telnetDo:
		return t.command([]byte{telnetIAC, telnetWont, option})
	case verb == telnetWill:
		return t.command([]byte{telnetIAC, telnetDont, option})
	}
	return nil
}

func (t *telnet) command(b []byte) error {
	t.writing.Lock()
	defer t.writing.Unlock()
	_, err := t.Conn.Write(b)
	return err
}

// Write writes all of b to the device.
func (t *telnet) Write(b []byte) (int, error) {
	if err := t.command(escaped(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// escaped doubles each IAC in data. It returns data itself if there is none.
func escaped(data []byte) []byte {
	if bytes.IndexByte(data, telnetIAC) < 0 {
		return data
	}
	return bytes.ReplaceAll(data, []byte{telnetIAC}, []byte{telnetIAC, telnetIAC})
}
