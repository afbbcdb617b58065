package packet

import (
	"encoding/hex"
	"errors"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
)

// Size and FromClient decode each packet of a client from a slice, and refuse those of a server.
func TestSlices(t *testing.T) {
	for _, v := range vectors {
		whole := octets(t, v.octets)
		for n := range whole {
			if size, err := Size(whole[:n]); err != nil || size != 0 && size != len(whole) || size == 0 && n >= 2 {
				t.Errorf("%s, %d octets: the size is %d, %v", v.name, n, size, err)
			}
		}
		if size, err := Size(append(whole, 0xc0)); size != len(whole) || err != nil {
			t.Errorf("%s: the size is %d, %v; want %d", v.name, size, err, len(whole))
		}
		p, err := FromClient(whole, v.version)
		switch violation := (*Error)(nil); {
		case !v.client && whole[0] != 0x32 && whole[0] != 0xe0: // but those that both sides send
			if !errors.As(err, &violation) || violation.Code != ProtocolError || !strings.Contains(err.Error(), "must not send") {
				t.Errorf("%s: %+v, %v", v.name, p, err)
			}
		case err != nil || !reflect.DeepEqual(p, v.packet):
			t.Errorf("%s: %+v, %v", v.name, p, err)
		}
	}
}

// A length has one to four octets (1.5.5).
func TestSizes(t *testing.T) {
	for head, want := range map[string]int{
		"": 0, "30": 0, "30 00": 2, "30 7f": 129, "30 80": 0, "30 8001": 131, "30 ff7f": 16386, "30 808001": 16388, "30 ffff7f": 2097155, "30 808080": 0,
		"30 80808001": 2097157, "30 ffffff7f": 268435460,
		"30 80808080": -1, "30 8080808001": -1, "30 ffffffff": -1, "80 00": -1, "a0 00": -1, "60 02": -1, "c1": -1, "00": 0, "36 00": 2, "f0 00": 2,
	} {
		switch size, err := Size(octets(t, head)); {
		case want < 0 && (err == nil || size != 0), want >= 0 && (err != nil || size != want):
			t.Errorf("%q: %d, %v; want %d", head, size, err, want)
		}
	}
}

// A long packet has a length of several octets.
func TestLongSlice(t *testing.T) {
	for _, n := range []int{125, 126, 16380, 16381, 1 << 21} {
		p := &Publish{Topic: "a", Payload: make([]byte, n)}
		b := p.Append(nil, V311)
		if size, err := Size(b); err != nil || size != len(b) {
			t.Errorf("%d octets: the size is %d, %v", n, size, err)
		}
		if got, err := FromClient(b, V311); err != nil || !reflect.DeepEqual(got, Packet(p)) {
			t.Errorf("%d octets: %v", n, err)
		}
		if got, _, err := read(b, V311, true, 1<<22); err != nil || !reflect.DeepEqual(got, Packet(p)) {
			t.Errorf("%d octets from a connection: %v", n, err)
		}
	}
}

// Each of these breaks one rule that the others keep.
func TestViolationsInSlices(t *testing.T) {
	for _, v := range []struct {
		name    string
		version Version
		octets  string
		want    string
	}{
		{"AUTH in 3.1.1", V311, "f0 00", "must not send"},
		{"AUTH before CONNECT", 0, "f0 00", "must not send"},
		{"QoS 3", V5, "36 06 0001 61 0001 00", "QoS 3"},
		{"a null character", V5, "30 04 0001 00 00", "UTF-8"},
		{"PINGREQ with octets", V311, "c0 01 00", "after its end"},
		{"UNSUBSCRIBE of an empty topic", V311, "a2 04 0001 0000", "invalid filter"},
		{"SUBSCRIBE to an empty topic", V311, "82 05 0001 0000 00", "invalid filter"},
		{"an option of 5 in 3.1.1", V311, "82 06 0001 0001 61 04", "invalid filter"},
		{"a reserved option", V5, "82 07 0001 00 0001 61 40", "invalid filter"},
		{"will flags without a will", V311, "10 0d 0004 4d515454 04 20 000a 0001 61", "invalid flags"},
		{"the QoS of a will without a will", V5, "10 0e 0004 4d515454 05 08 000a 00 0001 61", "invalid flags"},
		{"a bridge of 5", V5, "10 0e 0004 4d515454 85 00 000a 00 0001 61", "unsupported protocol version"},
		{"another name", V311, "10 0d 0004 4d515455 04 00 000a 0001 61", "unsupported protocol version"},
		{"a subscription identifier twice", V5, "82 0b 0001 04 0b05 0b06 0001 61 00", "invalid properties"},
		{"a subscription identifier of 0", V5, "82 09 0001 02 0b00 0001 61 00", "invalid properties"},
		{"a property of 5 octets", V5, "82 0d 0001 06 0b 8080808001 0001 61 00", "invalid properties"},
		{"a will with a property of CONNECT", V5, "10 18 0004 4d515454 05 04 000a 00 0001 61 03 21 0001 0001 74 0001 78", "invalid properties"},
	} {
		b := octets(t, v.octets)
		if size, err := Size(b); err != nil || size != len(b) {
			t.Fatalf("%s: the vector has %d octets, not %d (%v)", v.name, len(b), size, err)
		}
		if p, err := FromClient(b, v.version); err == nil || !strings.Contains(err.Error(), v.want) {
			t.Errorf("%s: %+v, %v", v.name, p, err)
		}
		if p, _, err := read(b, v.version, true, 1<<20); err == nil || !strings.Contains(err.Error(), v.want) {
			t.Errorf("%s from a connection: %+v, %v", v.name, p, err)
		}
	}
}

// These are valid, though near to a violation.
func TestValid(t *testing.T) {
	for name, v := range map[string]struct {
		version Version
		octets  string
	}{
		"a password without a name":                {V5, "10 11 0004 4d515454 05 40 000a 00 0001 61 0001 61"},
		"two user properties":                      {V5, "30 12 0001 61 0e 26 0001 6b 0001 76 26 0001 6b 0001 76"},
		"two subscription identifiers":             {V5, "30 08 0001 61 04 0b01 0b02"},
		"a will with QoS 2":                        {V311, "10 13 0004 4d515454 04 14 000a 0001 61 0001 61 0001 61"},
		"SUBSCRIBE with QoS 2 and retain handling": {V5, "82 07 0001 00 0001 61 22"},
		"an empty payload":                         {V311, "30 03 0001 61"},
	} {
		b := octets(t, v.octets)
		if p, err := FromClient(b, v.version); err != nil || len(p.Append(nil, v.version)) != len(b) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

// A PUBLISH beyond the reader's limit is skipped, but must be well-formed as far as it is read.
func TestSkipped(t *testing.T) {
	for _, c := range []struct {
		name   string
		octets string
		want   string
	}{
		{"a topic that fills it", "30 07 0005 6162636465", ErrTooLarge.Error()},
		{"an id at the end", "32 07 0003 616263 0007", ErrTooLarge.Error()},
		{"a topic beyond its end", "30 07 0006 6162636465", "malformed PUBLISH"},
		{"no room for the id", "32 07 0004 61626364 00", "malformed PUBLISH"},
		{"an end in the topic's length", "30 07 00", "EOF"},
		{"an end in the topic", "30 07 0003 61", "EOF"},
		{"an end in the id", "32 07 0003 616263 00", "EOF"},
		{"an end in the payload", "30 07 0003 616263 00", "EOF"},
		{"QoS 3", "36 07 0003 616263 0007", "QoS 3"},
	} {
		p, _, err := read(octets(t, c.octets), V311, false, 6)
		if err == nil || !strings.Contains(err.Error(), c.want) || (p != nil) != (err == ErrTooLarge) {
			t.Errorf("%s: %+v, %v", c.name, p, err)
		}
	}
	if p, _, err := read(octets(t, "30 06 0003 616263 64"), V311, false, 6); err != nil || string(p.(*Publish).Payload) != "d" {
		t.Errorf("at the limit: %+v, %v", p, err)
	}
}

// A packet longer than the first piece arrives whole, or not at all.
func TestPieces(t *testing.T) {
	for _, n := range []int{firstPiece - 1, firstPiece, firstPiece + 1, 2 * firstPiece, 5*firstPiece + 3} {
		payload := make([]byte, n-3)
		for i := range payload {
			payload[i] = byte(i * 31 >> 3)
		}
		b := (&Publish{Topic: "a", Payload: payload}).Append(nil, V311)
		if p, _, err := read(b, V311, true, n); err != nil || string(p.(*Publish).Payload) != string(payload) {
			t.Errorf("%d octets: %v", n, err)
		}
		if p, _, err := read(b[:len(b)-1], V311, true, n); err == nil {
			t.Errorf("%d octets without the last: %T", n, p)
		}
	}
}

// The return codes of MQTT 3.1.1 and the QoS of a subscription.
func TestOldCodes(t *testing.T) {
	for old, want := range []Code{Success, UnsupportedVersion, ClientIDNotValid, ServerUnavailable, BadLogin, NotAuthorized, UnspecifiedError} {
		if got := Code(old).FromV311(); got != want {
			t.Errorf("%d is %v, want %v", old, got, want)
		}
	}
	if q := Options(2 | NoLocal | RetainNever).QoS(); q != 2 {
		t.Errorf("QoS %d", q)
	}
}

// A Writer writes the packets in order and in its version.
func TestWriter(t *testing.T) {
	for version, want := range map[Version]string{V311: "4002000730050001617879", V5: "40030007873006000161007879"} {
		near, far := net.Pipe()
		w := NewWriter(near, version)
		done := make(chan struct{})
		go func() { defer close(done); w.Run() }()
		w.Send(&Ack{Type: TypePuback, ID: 7, Code: NotAuthorized})
		w.Send(&Publish{Topic: "a", Payload: []byte("xy")})
		b := make([]byte, len(want)/2)
		if _, err := io.ReadFull(far, b); err != nil || hex.EncodeToString(b) != want {
			t.Errorf("version %v: %x, %v; want %s", version, b, err, want)
		}
		far.Close()
		near.Close()
		w.Send(Ping{TypePingreq})
		<-done
	}
}
