package mqtt

import "fmt"

// closing is the error of a connection that the broker has closed. MQTT 3.1.1 gives no reason, so it tells what had been
// sent.
type closing struct {
	sent string // "" if nothing was under way
	hint string // what may be the cause
	err  error
}

func (c *closing) Error() string {
	text := "the broker closed the connection"
	if c.sent != "" {
		text += " after " + c.sent
	}
	text += ": " + c.err.Error()
	if c.hint != "" {
		text += "; " + c.hint
	}
	return text
}

func (c *closing) Unwrap() error { return c.err }

// closed looks into how a connection has ended, and makes the error of it.
func (l *Link) closed(s *session, err error) error {
	landed, open := l.flight.outcome()
	accused := l.judge(s, err, open)
	return l.takenOver(s, l.explain(err, open), !accused && (landed > 0 || len(open) == 0))
}

// unanswered makes the error of a broker that closes instead of answering CONNECT.
func (l *Link) unanswered(err error) error {
	if !endedByPeer(err) {
		return fmt.Errorf("wait for CONNACK: %w", err)
	}
	return &closing{
		sent: fmt.Sprintf("CONNECT as %q", l.opts.ClientID), err: err,
		hint: "it may not accept this client_id, protocol version or last will, or expect TLS",
	}
}

// explain makes the error of a connection that the broker has closed with events under way.
func (l *Link) explain(err error, open []sent) error {
	if !endedByPeer(err) {
		return err
	}
	c := &closing{err: err}
	if len(open) == 0 {
		c.hint = fmt.Sprintf("another client may have connected with client_id %q", l.opts.ClientID)
		return c
	}
	first := open[0]
	c.sent = fmt.Sprintf("PUBLISH to %s (%d bytes, QoS %d)", first.topic, first.size, l.opts.QoS)
	if n := len(open) - 1; n > 0 {
		c.sent += fmt.Sprintf(" and %d more", n)
	}
	c.hint = "it may not allow the topic or the size"
	if l.opts.QoS == 2 {
		c.hint = "it may not allow the topic or the size, or not support qos = 2"
	}
	return c
}

// refusalHints is what to do about a CONNACK (MQTT 3.1.1, 3.2.2.3), by its code.
var refusalHints = map[byte]string{
	1: "it does not speak MQTT 3.1.1",
	2: "set another client_id",
	3: "it is not ready for clients",
	4: "check username and password",
	5: "this client may not connect; check username, password and client_id",
}

// refusal is the error that a CONNACK stands for.
func refusal(code byte, known error) error {
	text := ""
	if hint := refusalHints[code]; hint != "" {
		text = "; " + hint
	}
	if known != nil {
		return fmt.Errorf("the broker rejected CONNECT with code %d: %w%s", code, known, text)
	}
	return fmt.Errorf("the broker rejected CONNECT with code %d%s", code, text)
}
