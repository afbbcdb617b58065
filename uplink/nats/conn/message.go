package conn

import "bytes"

// Msg is a message from the server. The Msg and its bytes are valid until the handler returns; Clone keeps them.
type Msg struct {
	Subject []byte
	Reply   []byte // subject for answers; empty: no answer is expected
	Header  Header // empty: the message has none
	Data    []byte

	// Sub is the subscription that the message matched; nil: an Inbox.
	Sub *Sub
}

// Clone returns a copy that stays valid.
func (m *Msg) Clone() *Msg {
	c := *m
	c.Subject, c.Reply = bytes.Clone(m.Subject), bytes.Clone(m.Reply)
	c.Header, c.Data = bytes.Clone(m.Header), bytes.Clone(m.Data)
	return &c
}

// NoResponders reports whether the message is the server's answer to a request that no subscriber has received.
func (m *Msg) NoResponders() bool { return len(m.Data) == 0 && m.Header.Status() == 503 }

// Out is a message to be sent.
type Out struct {
	Subject string
	Reply   string // subject for answers; "": none
	Header  Header // empty: none
	Data    []byte
}

// Header is the header block of a message, without the empty line at its end. The zero value is a message without headers.
type Header []byte

const headerVersion = "NATS/1.0"

// Add returns the block with one more field. Control characters in the value become spaces, and the receiver removes
// spaces at its ends. Encode values that may contain either. The key is a constant of the protocol, without colons and
// spaces. Inlining it everywhere would make the program 28 kB longer.
//
//go:noinline
func (h Header) Add(key, value string) Header {
	if len(h) == 0 {
		h = append(h, headerVersion+"\r\n"...)
	}
	h = append(append(h, key...), ": "...)
	for i := range len(value) {
		c := value[i]
		if c < ' ' || c == 0x7f {
			c = ' '
		}
		h = append(h, c)
	}
	return append(h, "\r\n"...)
}

// Get returns the value of the first field with a key, whatever its case; nil: there is none.
func (h Header) Get(key string) []byte {
	for rest := h.fields(); len(rest) > 0; {
		var k, v []byte
		k, v, rest = nextField(rest)
		if len(k) == len(key) && equalFold(k, key) {
			return v
		}
	}
	return nil
}

// All calls f for each field until it returns false.
func (h Header) All(f func(key, value []byte) bool) {
	for rest := h.fields(); len(rest) > 0; {
		var k, v []byte
		k, v, rest = nextField(rest)
		if len(k) > 0 && !f(k, v) {
			return
		}
	}
}

// Status returns the code in the first line, such as 503; 0: there is none.
func (h Header) Status() int {
	line := h.first()
	if len(line) < 3 {
		return 0
	}
	code := 0
	for _, c := range line[:3] {
		if c < '0' || c > '9' {
			return 0
		}
		code = code*10 + int(c-'0')
	}
	return code
}

// Description returns the text after the status.
func (h Header) Description() string {
	if line := h.first(); len(line) > 3 && h.Status() > 0 {
		return words(bytes.TrimSpace(line[3:]))
	}
	return ""
}

// first returns the rest of the first line, after the version.
func (h Header) first() []byte {
	line, _, _ := bytes.Cut(h, []byte("\r\n"))
	rest, ok := bytes.CutPrefix(line, []byte(headerVersion))
	if !ok {
		return nil
	}
	return bytes.TrimSpace(rest)
}

// fields returns the lines after the first.
func (h Header) fields() []byte {
	_, rest, _ := bytes.Cut(h, []byte("\r\n"))
	return rest
}

// nextField splits off a line; without a colon its key is empty.
func nextField(lines []byte) (key, value, rest []byte) {
	line, rest, _ := bytes.Cut(lines, []byte("\r\n"))
	key, value, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return nil, nil, rest
	}
	if value = bytes.TrimSpace(value); value == nil {
		value = []byte{} // present, but empty
	}
	return key, value, rest
}

// equalFold compares ASCII of the same length without regard to case.
func equalFold(a []byte, b string) bool {
	for i := range a {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// ParseHeader converts a header block with the empty line at its end to a Header; nil if the bytes are not a header
// block. Servers do not check the blocks of publishers.
func ParseHeader(block []byte) Header {
	if !bytes.HasPrefix(block, []byte(headerVersion)) || !bytes.HasSuffix(block, []byte("\r\n\r\n")) {
		return nil
	}
	return block[:len(block)-2]
}

// ValidSubject reports whether messages can be sent to a subject: tokens of at least one byte, divided by dots,
// without spaces and control characters. The tokens "*" and a final ">" are allowed only in patterns.
func ValidSubject(subject string, patterns bool) bool {
	if len(subject) == 0 || len(subject) > MaxSubject {
		return false
	}
	start := 0
	for i := 0; i <= len(subject); i++ {
		if i < len(subject) && subject[i] != '.' {
			if subject[i] <= ' ' || subject[i] == 0x7f {
				return false
			}
			continue
		}
		switch token := subject[start:i]; {
		case token == "":
			return false
		case token == ">" && (!patterns || i < len(subject)), token == "*" && !patterns:
			return false
		}
		start = i + 1
	}
	return true
}
