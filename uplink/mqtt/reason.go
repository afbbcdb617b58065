package mqtt

import (
	"errors"
	"strings"
	"unicode"

	"runnel/transport/mqtt/packet"
)

// reason returns a reason code with the broker's own words, if it has added any.
func reason(c packet.Code, p packet.Properties) string {
	text := c.String()
	if own := words(p.Text(packet.ReasonString)); own != "" {
		text += ": " + own
	}
	return text
}

// maxWords bounds a text of a broker in errors and logs, in bytes.
const maxWords = 200

// words returns a text of a broker for errors and logs.
func words(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, text[:min(len(text), maxWords)])
}

// refusal is the broker's answer to CONNECT if it does not accept the link.
type refusal struct {
	code   packet.Code
	old    bool // in the form of MQTT 3.1.1
	reason string
	server string // another server to use
}

// newRefusal returns the refusal of a CONNECT of a version.
func newRefusal(ack *packet.Connack, v packet.Version) *refusal {
	r := &refusal{code: ack.Code, server: ack.Properties.Text(packet.ServerReference)}
	if r.old = !r.code.Failed(); r.old {
		r.code = r.code.FromV311()
	}
	r.reason = reason(r.code, ack.Properties)
	if v < packet.V5 {
		r.old = false // the end was expected
	}
	return r
}

// hints are remedies for the codes of CONNACK and DISCONNECT.
var hints = map[packet.Code]string{
	packet.UnsupportedVersion: "set another protocol",
	packet.ClientIDNotValid:   "set another client_id",
	packet.ServerUnavailable:  "it is not ready for clients",
	packet.BadLogin:           "check username and password",
	packet.NotAuthorized:      "this client may not connect, or not use a topic; check username, password and client_id",
	packet.RetainNotSupported: "remove state_topic",
	packet.QoSNotSupported:    "set a lower qos",
}

func hint(c packet.Code, server string) string {
	if server != "" {
		return "; write the server that it names into url: " + words(server)
	}
	if text := hints[c]; text != "" {
		return "; " + text
	}
	return ""
}

func (r *refusal) Error() string {
	return "the broker rejected CONNECT: " + r.reason + hint(r.code, r.server)
}

// isRefusal reports whether err is the broker's answer to CONNECT with a code.
func isRefusal(err error, c packet.Code) bool {
	var r *refusal
	return errors.As(err, &r) && r.code == c
}

// goodbye is a DISCONNECT of the broker.
type goodbye struct {
	code   packet.Code
	reason string
	server string // another server to use
}

func (g *goodbye) Error() string { return g.reason + hint(g.code, g.server) }

// blamesMessage reports whether the code may be the answer to a message.
func (g *goodbye) blamesMessage() bool {
	switch g.code {
	case packet.UnspecifiedError, packet.MalformedPacket, packet.ProtocolError, packet.SpecificError, packet.NotAuthorized,
		packet.TopicNameInvalid, packet.PacketTooLarge, packet.QuotaExceeded, packet.PayloadInvalid, packet.RetainNotSupported,
		packet.QoSNotSupported:
		return true
	}
	return false
}

// isGoodbye returns the DISCONNECT that err wraps; nil if there is none.
func isGoodbye(err error) (g *goodbye) {
	errors.As(err, &g)
	return g
}
