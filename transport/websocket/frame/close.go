package frame

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Code is the status code of CLOSE (RFC 6455, 7.4).
type Code uint16

const (
	Normal        Code = 1000
	GoingAway     Code = 1001
	ProtocolError Code = 1002
	Unsupported   Code = 1003 // a kind of data that the receiver does not accept
	NoStatus      Code = 1005 // CLOSE had no code; never sent
	InvalidData   Code = 1007 // text that is not UTF-8
	Policy        Code = 1008
	TooBig        Code = 1009
)

// MaxReason is the length of the longest reason in CLOSE, in octets.
const MaxReason = MaxControl - 2

// Valid reports whether a peer may send the code (RFC 6455, 7.4; the registry of IANA has added 1012 to 1014).
func (c Code) Valid() bool {
	switch c {
	case 1004, NoStatus, 1006:
		return false
	}
	return c >= 1000 && c <= 1014 || c >= 3000 && c <= 4999
}

// Error is a violation of the protocol by the peer. The connection is closed with its code.
type Error struct {
	Code Code
	Text string
}

func (e *Error) Error() string { return e.Text }

// Closed is the content of the peer's CLOSE.
type Closed struct {
	Code   Code
	Reason string
}

func (c *Closed) Error() string { return fmt.Sprintf("the peer closed with %d %q", c.Code, c.Reason) }

var (
	errHalfCode = &Error{ProtocolError, "invalid CLOSE: half a status code"}
	errCode     = &Error{ProtocolError, "invalid CLOSE: a status code that must not be sent"}
	errReason   = &Error{InvalidData, "invalid CLOSE: the reason is not UTF-8"}
)

// ParseClose decodes the payload of CLOSE (RFC 6455, 5.5.1). An error is a *Error.
func ParseClose(payload []byte) (*Closed, error) {
	switch len(payload) {
	case 0:
		return &Closed{Code: NoStatus}, nil
	case 1:
		return nil, errHalfCode
	}
	c := &Closed{Code(binary.BigEndian.Uint16(payload)), string(payload[2:])}
	switch {
	case !c.Code.Valid():
		return nil, errCode
	case !utf8.ValidString(c.Reason):
		return nil, errReason
	}
	return c, nil
}

// AppendClose appends the payload of CLOSE. It shortens the reason if necessary. NoStatus has no payload.
func AppendClose(dst []byte, code Code, reason string) []byte {
	if code == NoStatus {
		return dst
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	reason = reason[:min(len(reason), MaxReason)]
	return append(dst, strings.ToValidUTF8(reason, "")...) // the cut may have split a character
}
