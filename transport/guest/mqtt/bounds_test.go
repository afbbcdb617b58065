package mqtt

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"runnel/edge/wamp"
	"runnel/transport/mqtt/packet"
)

// Each reason for a refusal has its code, and in MQTT 3.1.1 its return code.
func TestCodes(t *testing.T) {
	for err, want := range map[error]packet.Code{
		wamp.NotAuthorized: packet.NotAuthorized, wamp.AuthorizationFailed: packet.NotAuthorized, wamp.InvalidURI: packet.TopicNameInvalid, wamp.Unavailable: packet.QuotaExceeded,
		wamp.PayloadSizeExceeded: packet.PacketTooLarge, wamp.NoSuchProcedure: packet.UnspecifiedError, errors.New("other"): packet.UnspecifiedError,
		fmt.Errorf("publish: %w", wamp.NotAuthorized): packet.NotAuthorized,
	} {
		if got := codeOf(err); got != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
	for code, want := range map[packet.Code]packet.Code{
		packet.UnsupportedVersion: 1, packet.ClientIDNotValid: 2, packet.ServerUnavailable: 3, packet.ServerBusy: 3, packet.BadLogin: 4, packet.NotAuthorized: 5,
		badMethod: 5, packet.TopicNameInvalid: 5,
	} {
		if got := returnCode(code); got != want {
			t.Errorf("%v: %d, want %d", code, got, want)
		}
	}
}

// A reason string is valid UTF-8 and has a bounded length. A client that does not want it, and one of 3.1.1, gets none.
func TestReasons(t *testing.T) {
	long := strings.Repeat("x", maxReason)
	for _, c := range []struct {
		err      error
		version  packet.Version
		problems bool
		want     string
	}{
		{errors.New("no"), packet.V5, true, "no"}, {errors.New("no"), packet.V311, true, ""}, {errors.New("no"), packet.V5, false, ""}, {nil, packet.V5, true, ""},
		{errors.New("a\x00b\xffc"), packet.V5, true, "a?b?c"}, {errors.New(long), packet.V5, true, long}, {errors.New(long + "y"), packet.V5, true, long},
		{errors.New(long[1:] + "é"), packet.V5, true, long[1:]},
	} {
		conn := &Conn{version: c.version, problems: c.problems}
		if got := conn.reason(nil, c.err); got.Text(packet.ReasonString) != c.want || got.Has(packet.ReasonString) != (c.want != "") {
			t.Errorf("%v in %v: %q, want %q", c.err, c.version, got.Text(packet.ReasonString), c.want)
		}
	}
}

// TestLimits has rules at their bounds, by their section (MQTT 5 unless it says 3.1.1).
func TestLimits(t *testing.T) {
	t.Parallel()
	alias := func(n uint32) packet.Properties { return props(packet.Property{ID: packet.TopicAlias, Number: n}) }
	for name, rule := range map[string]func(t *testing.T, s *stage){
		"3.1.2.10 keep alive": func(t *testing.T, s *stage) {
			s.door.KeepAlive = 60e9
			for _, c := range []struct {
				version     packet.Version
				asked, want uint16
			}{{packet.V5, 60, 0}, {packet.V5, 59, 0}, {packet.V5, 61, 60}, {packet.V5, 0, 60}, {packet.V311, 61, 0}} {
				d := s.join(c.version, "a", func(p *packet.Connect) { p.KeepAlive = c.asked })
				if p := d.up(); p.Properties.Number(packet.ServerKeepAlive, 0) != uint32(c.want) {
					t.Errorf("%d in version %v: the server's is %d, want %d", c.asked, c.version, p.Properties.Number(packet.ServerKeepAlive, 0), c.want)
				}
			}
		},
		"3.1.2.11.10 authentication data": func(t *testing.T, s *stage) {
			s.join(packet.V5, "a", func(p *packet.Connect) {
				p.Properties = props(packet.Property{ID: packet.AuthenticationData, Text: "x"})
			}).expectClosed(packet.ProtocolError)
		},
		"3.1.3.1 client id": func(t *testing.T, s *stage) {
			s.join(packet.V5, strings.Repeat("a", maxClientID)).up()
			s.join(packet.V5, strings.Repeat("a", maxClientID+1)).expectClosed(packet.ClientIDNotValid)
			s.join(packet.V311, strings.Repeat("a", maxClientID+1)).expectClosed(2)
			if p := s.join(packet.V311, "").up(); p.Properties != nil {
				t.Errorf("%+v", p)
			}
		},
		"3.1.3.2 will topic": func(t *testing.T, s *stage) {
			for _, topic := range []string{"a/+", "wamp/x", ""} {
				will := func(p *packet.Connect) { p.Will = &packet.Will{Topic: topic} }
				s.join(packet.V5, "a", will).expectClosed(packet.TopicNameInvalid)
				s.join(packet.V311, "a", will).expectClosed(5)
			}
			s.join(packet.V5, "a", func(p *packet.Connect) { p.Will = &packet.Will{Topic: "$SYS/x"} }).up()
		},
		"3.3.2.1 no topic": func(t *testing.T, s *stage) {
			d := s.join(packet.V5, "a")
			d.up()
			d.send(&packet.Publish{})
			d.expectClosed(packet.ProtocolError)
		},
		"3.3.2.3.4 alias without a topic": func(t *testing.T, s *stage) {
			for _, before := range []bool{false, true} {
				d := s.join(packet.V5, "a")
				d.up()
				if before {
					d.pub(packet.Publish{Topic: "x", QoS: 1, Properties: alias(1)})
				}
				d.send(&packet.Publish{Properties: alias(2)})
				d.expectClosed(packet.ProtocolError)
			}
		},
		"3.3.2.3.4 alias beyond its range": func(t *testing.T, s *stage) {
			for n, valid := range map[uint32]bool{0: false, 1: true, maxAliases: true, maxAliases + 1: false} {
				d := s.join(packet.V5, "a")
				d.up()
				if valid {
					d.pub(packet.Publish{Topic: "x", QoS: 1, Properties: alias(n)})
					continue
				}
				d.send(&packet.Publish{Topic: "x", Properties: alias(n)})
				d.expectClosed(aliasInvalid)
			}
		},
		"3.3.4 identifier of a subscription from a client": func(t *testing.T, s *stage) {
			d := s.join(packet.V5, "a")
			d.up()
			d.send(&packet.Publish{Topic: "x", Properties: props(packet.Property{ID: packet.SubscriptionID, Number: 1})})
			d.expectClosed(packet.ProtocolError)
		},
		"3.8 many filters": func(t *testing.T, s *stage) {
			d := s.join(packet.V5, "a")
			d.up()
			var filters []string
			for i := range maxFilters + 1 {
				filters = append(filters, fmt.Sprint("x/", i))
			}
			codes := d.sub(1, filters...)
			if codes[maxFilters-1] != 1 || codes[maxFilters] != packet.QuotaExceeded {
				t.Errorf("the last ones: %v", codes[maxFilters-1:])
			}
			if codes := d.sub(0, filters[0]); codes[0] != 0 { // replaces one
				t.Error(codes)
			}
		},
		"4.9 messages of QoS 2": func(t *testing.T, s *stage) {
			for n, want := range map[int]packet.Code{maxUnacked: packet.Success, maxUnacked + 1: receiveExceeded} {
				d := s.join(packet.V5, "")
				d.up()
				for id := range n {
					d.send(&packet.Publish{Topic: "x", QoS: 2, ID: uint16(id + 1)})
				}
				if want != packet.Success {
					d.expectClosed(want)
					continue
				}
				for range n {
					gets[*packet.Ack](d)
				}
			}
		},
		"4.7.1 all topics": func(t *testing.T, s *stage) {
			d := s.join(packet.V5, "a")
			d.up()
			if codes := d.sub(0, "#"); codes[0] != packet.NotAuthorized && codes[0] != 0 {
				t.Error(codes)
			}
		},
		"4.10 calls": func(t *testing.T, s *stage) {
			d := s.join(packet.V5, "a")
			d.up()
			d.sub(1, "re/a")
			reply := packet.Property{ID: packet.ResponseTopic, Text: "re/a"}
			for _, c := range []struct {
				p    packet.Publish
				want packet.Code
			}{
				{packet.Publish{Topic: "$call/wamp/session/count", Retain: true, Properties: props(reply)}, packet.RetainNotSupported},
				{packet.Publish{Topic: "$call/a/+", Properties: props(reply)}, packet.TopicNameInvalid},
				{packet.Publish{Topic: "$call/wamp/session/count", Properties: props(packet.Property{ID: packet.ResponseTopic, Text: "re/+"})}, packet.TopicNameInvalid},
			} {
				c.p.QoS = 1
				if code := d.pub(c.p); code != c.want {
					t.Errorf("%+v: %v, want %v", c.p, code, c.want)
				}
			}
			d.send(&packet.Publish{Topic: "$call/wamp/session/count", Properties: props(reply, packet.Property{ID: packet.MessageExpiry, Number: 60})})
			if p := d.message(); string(p.Payload) != "1" || p.Properties.Has(packet.CorrelationData) {
				t.Errorf("%+v %s", p, p.Payload)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rule(t, newStage(t, ""))
		})
	}
}
