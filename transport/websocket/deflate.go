package websocket

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"runnel/edge/budget"
	"runnel/transport/websocket/frame"
)

// deflateExtension is the router's answer to an offer, and a client's offer: permessage-deflate (RFC 7692) without
// context takeover. With it, an idle connection would keep a window for each direction.
const deflateExtension = "permessage-deflate; client_no_context_takeover; server_no_context_takeover"

// extension is one element of Sec-WebSocket-Extensions (RFC 6455, 9.1).
type extension struct {
	name   string
	params []string // "name" or "name=value"
}

func extensions(h http.Header) (list []extension) {
	for _, text := range tokens(h, "Sec-WebSocket-Extensions") {
		parts := strings.Split(text, ";")
		for i, part := range parts {
			name, value, ok := strings.Cut(part, "=")
			if parts[i] = strings.TrimSpace(name); ok {
				parts[i] += "=" + strings.Trim(strings.TrimSpace(value), `"`)
			}
		}
		list = append(list, extension{parts[0], parts[1:]})
	}
	return list
}

// acceptDeflate returns the answer to a client's first offer of permessage-deflate with parameters that the router supports; ""
// without one. The router cannot limit its own window.
func acceptDeflate(offers []extension) string {
	for _, offer := range offers {
		answer := deflateExtension
		if offer.name == "permessage-deflate" && offer.allows(func(name, value string) bool {
			switch name {
			case "client_max_window_bits":
				return value == "" || windowBits(value)
			case "server_max_window_bits":
				answer += "; server_max_window_bits=15" // is accepted by repeating it (RFC 7692, 7.1.2.1)
				return value == "15"
			}
			return (name == "client_no_context_takeover" || name == "server_no_context_takeover") && value == ""
		}) {
			return answer
		}
	}
	return ""
}

// allows reports whether every parameter is allowed and given once (RFC 7692, 7.1).
func (e extension) allows(allowed func(name, value string) bool) bool {
	seen := ""
	for _, param := range e.params {
		name, value, _ := strings.Cut(param, "=")
		if !allowed(name, value) || strings.Contains(seen, ";"+name+";") {
			return false
		}
		seen += ";" + name + ";"
	}
	return true
}

// windowBits reports whether a value is a window's size as a power of two (RFC 7692, 7.1.2).
func windowBits(value string) bool {
	n, err := strconv.Atoi(value)
	return err == nil && n >= 8 && n <= 15 && value[0] != '0' && value[0] != '+'
}

var errExtension = errors.New("the server agreed to an extension that was not offered, or with unsupported parameters")

// agreedDeflate checks the server's answer to the offer of permessage-deflate.
func agreedDeflate(offered bool, agreed []extension) (bool, error) {
	if len(agreed) == 0 {
		return false, nil
	}
	ends := false // the server's messages are independent of each other
	if !offered || len(agreed) > 1 || agreed[0].name != "permessage-deflate" || !agreed[0].allows(func(name, value string) bool {
		switch name {
		case "server_no_context_takeover":
			ends = true
			return value == ""
		case "client_no_context_takeover":
			return value == ""
		}
		return name == "server_max_window_bits" && windowBits(value)
	}) || !ends {
		return false, errExtension
	}
	return true, nil
}

// compressMin is the length of the shortest message that is compressed, in bytes.
const compressMin = 512

// Messages are compressed and decompressed from memory to memory, so that a connection needs a context only for the time of
// one message. A compressor has about 0.8 MB, so compressors bounds how many work at the same time.
var (
	compressors  = make(chan struct{}, 2)
	flateWriters sync.Pool // of *compressor
	flateReaders sync.Pool // of *decompressor
)

// inflaterSize is the memory of a decompressor in bytes, which the account is charged for.
const inflaterSize = 44 << 10

// compressor compresses into out.
type compressor struct {
	out bytes.Buffer
	z   *flate.Writer
}

// maxKept is the capacity of the largest buffer that a compressor keeps, in bytes.
const maxKept = 2 * chunkSize

// compressed calls use with the compressed payload, without the four octets that end every message (RFC 7692, 7.2.1).
func compressed(payload []byte, use func(short []byte)) {
	compressors <- struct{}{}
	defer func() { <-compressors }()
	c, _ := flateWriters.Get().(*compressor)
	if c == nil {
		c = &compressor{}
		c.z, _ = flate.NewWriter(&c.out, flate.BestSpeed) // fails only for an unknown level
	}
	c.out.Reset()
	c.z.Reset(&c.out)
	c.z.Write(payload) // cannot fail: a bytes.Buffer takes everything
	c.z.Flush()
	use(bytes.TrimSuffix(c.out.Bytes(), []byte("\x00\x00\xff\xff")))
	if c.out.Cap() > maxKept {
		c.out = bytes.Buffer{}
	}
	flateWriters.Put(c)
}

// messageTail follows a compressed message: the four octets that its sender removed (RFC 7692, 7.2.2), and a block that ends
// the data.
var messageTail = []byte("\x00\x00\xff\xff\x01\x00\x00\xff\xff")

var errDeflate = &frame.Error{Code: frame.ProtocolError, Text: "a compressed message cannot be decompressed"}

// inflate decompresses a message into c.plain.
func (c *Conn) inflate(packed []byte) ([]byte, error) {
	c.socket.account.Grow(budget.Reading, inflaterSize)
	defer c.socket.account.Shrink(budget.Reading, inflaterSize)
	d, _ := flateReaders.Get().(*decompressor)
	if d == nil {
		d = &decompressor{}
		d.z = flate.NewReader(d)
	}
	d.reset(packed)
	defer func() {
		d.reset(nil)
		flateReaders.Put(d)
	}()
	c.plain.n = 0
	for {
		if err := c.plain.room(c.socket, c.readLimit); err != nil {
			return nil, err
		}
		n, err := d.z.Read(c.plain.buf[c.plain.n:])
		c.plain.n += n
		switch {
		case c.plain.n > c.readLimit:
			return nil, c.tooBig()
		case err == io.EOF:
			return c.plain.buf[:c.plain.n], nil
		case err != nil:
			return nil, errDeflate
		}
	}
}

// decompressor decompresses a message. It is itself the reader of its z, which reads octet by octet and so needs no further
// buffer.
type decompressor struct {
	in   bytes.Reader
	tail bool // in is the tail already
	z    io.ReadCloser
}

func (d *decompressor) reset(packed []byte) {
	d.in.Reset(packed)
	d.tail = false
	d.z.(flate.Resetter).Reset(d, nil) // cannot fail without a dictionary
}

// ReadByte is called by z.
func (d *decompressor) ReadByte() (byte, error) {
	d.turn()
	return d.in.ReadByte()
}

// Read is called by z.
func (d *decompressor) Read(b []byte) (int, error) {
	d.turn()
	return d.in.Read(b)
}

// turn makes the tail follow the message.
func (d *decompressor) turn() {
	if d.in.Len() == 0 && !d.tail {
		d.tail = true
		d.in.Reset(messageTail)
	}
}
