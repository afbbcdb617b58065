package packet

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
)

// vector is a packet and its octets, made by hand from the figures of the specifications.
type vector struct {
	name    string
	version Version
	octets  string // in hex, with blanks
	packet  Packet
	client  bool // a client sends it
}

var vectors = []vector{
	// MQTT 3.1.1
	{"CONNECT 3.1.1", V311, "10 10 0004 4d515454 04 02 003c 0004 67772d31", &Connect{Version: V311, CleanStart: true, KeepAlive: 60, ClientID: "gw-1"}, true},
	{"CONNECT of a bridge", V311, "10 0d 0004 4d515454 84 00 000a 0001 61", &Connect{Version: V311, Bridge: true, KeepAlive: 10, ClientID: "a"}, true},
	{"CONNECT with all", V311, "10 1f 0004 4d515454 04 ee 000a 0001 61 0001 74 0003 6f6666 0004 75736572 0002 0102",
		&Connect{Version: V311, CleanStart: true, KeepAlive: 10, ClientID: "a", Named: true, Username: "user", Secret: true, Password: []byte{1, 2},
			Will: &Will{QoS: 1, Retain: true, Topic: "t", Payload: []byte("off")}}, true},
	{"CONNACK 3.1.1", V311, "20 02 01 00", &Connack{SessionPresent: true}, false},
	{"CONNACK 3.1.1, refused", V311, "20 02 00 05", &Connack{Code: 5}, false},
	{"PUBLISH QoS 0", V311, "30 06 0001 61 313233", &Publish{Topic: "a", Payload: []byte("123")}, true},
	{"PUBLISH QoS 2, again, retained", V311, "3d 06 0001 61 0007 78", &Publish{Dup: true, QoS: 2, Retain: true, ID: 7, Topic: "a", Payload: []byte("x")}, true},
	{"PUBACK 3.1.1", V311, "40 02 0007", &Ack{Type: TypePuback, ID: 7}, true},
	{"PUBREC 3.1.1", V311, "50 02 0007", &Ack{Type: TypePubrec, ID: 7}, true},
	{"PUBREL 3.1.1", V311, "62 02 0007", &Ack{Type: TypePubrel, ID: 7}, true},
	{"PUBCOMP 3.1.1", V311, "70 02 0007", &Ack{Type: TypePubcomp, ID: 7}, true},
	{"SUBSCRIBE 3.1.1", V311, "82 0a 0001 0001 61 01 0001 62 02", &Subscribe{ID: 1, Filters: []Filter{{"a", 1}, {"b", 2}}}, true},
	{"SUBACK 3.1.1", V311, "90 04 0001 01 80", &Suback{Type: TypeSuback, ID: 1, Codes: []Code{1, 0x80}}, false},
	{"UNSUBSCRIBE 3.1.1", V311, "a2 05 0001 0001 61", &Unsubscribe{ID: 1, Topics: []string{"a"}}, true},
	{"UNSUBACK 3.1.1", V311, "b0 02 0001", &Suback{Type: TypeUnsuback, ID: 1}, false},
	{"PINGREQ", V311, "c0 00", Ping{TypePingreq}, true},
	{"PINGRESP", V311, "d0 00", Ping{TypePingresp}, false},
	{"DISCONNECT 3.1.1", V311, "e0 00", &Disconnect{}, true},

	// MQTT 5
	{"CONNECT 5", V5, "10 16 0004 4d515454 05 00 003c 08 11 00015180 21 0064 0001 61", &Connect{Version: V5, KeepAlive: 60, ClientID: "a",
		Properties: Properties{{ID: SessionExpiry, Number: 86400}, {ID: ReceiveMaximum, Number: 100}}}, true},
	{"CONNECT 5 with a will", V5, "10 22 0004 4d515454 05 0e 000a 00 0001 61 0b 18 00000005 03 0003 612f62 0001 74 0003 6f6666",
		&Connect{Version: V5, CleanStart: true, KeepAlive: 10, ClientID: "a", Will: &Will{QoS: 1, Topic: "t", Payload: []byte("off"),
			Properties: Properties{{ID: WillDelay, Number: 5}, {ID: ContentType, Text: "a/b"}}}}, true},
	{"CONNACK 5", V5, "20 1b 00 00 18 21 0014 24 01 25 00 27 00000bb8 12 0003 612d31 13 000f 22 0000", &Connack{Properties: Properties{
		{ID: ReceiveMaximum, Number: 20}, {ID: MaximumQoS, Number: 1}, {ID: RetainAvailable}, {ID: MaximumPacketSize, Number: 3000},
		{ID: AssignedClientID, Text: "a-1"}, {ID: ServerKeepAlive, Number: 15}, {ID: TopicAliasMaximum}}}, false},
	{"CONNACK 5, refused", V5, "20 09 00 9d 06 1c 0003 623a31", &Connack{Code: ServerMoved, Properties: Properties{{ID: ServerReference, Text: "b:1"}}}, false},
	{"PUBLISH 5", V5, "32 20 0001 61 0007 19 01 01 02 0000000a 0b 8001 26 0001 6b 0001 76 08 0001 72 09 0001 00 78", &Publish{QoS: 1, ID: 7, Topic: "a", Payload: []byte("x"),
		Properties: Properties{{ID: PayloadFormat, Number: 1}, {ID: MessageExpiry, Number: 10}, {ID: SubscriptionID, Number: 128},
			{ID: UserProperty, Name: "k", Text: "v"}, {ID: ResponseTopic, Text: "r"}, {ID: CorrelationData, Text: "\x00"}}}, false},
	{"PUBACK 5, short", V5, "40 02 0007", &Ack{Type: TypePuback, ID: 7}, true},
	{"PUBACK 5 with a code", V5, "40 03 0007 87", &Ack{Type: TypePuback, ID: 7, Code: NotAuthorized}, true},
	{"PUBREC 5 with a reason", V5, "50 09 0007 97 05 1f 0002 6e6f", &Ack{Type: TypePubrec, ID: 7, Code: QuotaExceeded, Properties: Properties{{ID: ReasonString, Text: "no"}}}, true},
	{"SUBSCRIBE 5", V5, "82 09 0001 02 0b05 0001 61 2d", &Subscribe{ID: 1, Filters: []Filter{{"a", 1 | NoLocal | RetainAsPublished | RetainNever}},
		Properties: Properties{{ID: SubscriptionID, Number: 5}}}, true},
	{"UNSUBSCRIBE 5", V5, "a2 06 0001 00 0001 61", &Unsubscribe{ID: 1, Topics: []string{"a"}}, true},
	{"SUBACK 5", V5, "90 05 0001 00 01 87", &Suback{Type: TypeSuback, ID: 1, Codes: []Code{1, NotAuthorized}}, false},
	{"UNSUBACK 5", V5, "b0 05 0001 00 00 11", &Suback{Type: TypeUnsuback, ID: 1, Codes: []Code{0, 0x11}}, false},
	{"DISCONNECT 5, short", V5, "e0 00", &Disconnect{}, true},
	{"DISCONNECT 5", V5, "e0 01 8e", &Disconnect{Code: SessionTakenOver}, false},
	{"DISCONNECT 5 with a server", V5, "e0 08 9c 06 1c 0003 623a31", &Disconnect{Code: UseAnotherServer, Properties: Properties{{ID: ServerReference, Text: "b:1"}}}, false},
	{"AUTH", V5, "f0 09 18 07 15 0004 534a4c42", &Auth{Code: 0x18, Properties: Properties{{ID: AuthenticationMethod, Text: "SJLB"}}}, true},
}

func octets(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func read(b []byte, v Version, client bool, max int) (Packet, *Reader, error) {
	r := &Reader{Reader: bufio.NewReader(bytes.NewReader(b)), Version: v, Max: max}
	next := r.FromServer
	if client {
		next = r.FromClient
	}
	p, err := next()
	return p, r, err
}

// Each packet is encoded as the specification draws it, and decoded again.
func TestVectors(t *testing.T) {
	for _, v := range vectors {
		want := octets(t, v.octets)
		if got := v.packet.Append([]byte{1, 2}, v.version); !bytes.Equal(got[2:], want) {
			t.Errorf("%s: %x instead of %x", v.name, got[2:], want)
		}
		p, r, err := read(want, v.version, v.client, 1<<20)
		if err != nil || !reflect.DeepEqual(p, v.packet) {
			t.Errorf("%s: %+v, %v; expected %+v", v.name, p, err, v.packet)
		}
		if _, err := r.ReadByte(); err != io.EOF {
			t.Errorf("%s: something is left", v.name)
		}
	}
}

// A packet that is cut anywhere, or that has octets after its end, is an error and never a panic.
func TestCutPackets(t *testing.T) {
	for _, v := range vectors {
		whole := octets(t, v.octets)
		for n := range whole {
			if _, _, err := read(whole[:n], v.version, v.client, 1<<20); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s, cut at %d: %v", v.name, n, err)
			}
			if n < 2 {
				continue
			}
			cut := append([]byte{whole[0], byte(n - 2)}, whole[2:n]...)
			if p, _, err := read(cut, v.version, v.client, 1<<20); err == nil {
				if again := p.Append(nil, v.version); len(again) > len(cut)+2 { // optional fields at the end may be missing
					t.Errorf("%s with %d octets: %+v", v.name, n, p)
				}
			}
		}
	}
}

// Each of these violates the specification, and is refused.
func TestViolations(t *testing.T) {
	for _, v := range []struct {
		name    string
		version Version
		octets  string
		client  bool
		want    string
	}{
		{"a length of five octets", V5, "30 80808080 01", false, "more than four octets"},
		{"the flags of SUBSCRIBE", V5, "80 00", true, "flags"},
		{"the flags of PINGRESP", V5, "d1 00", false, "flags"},
		{"type 0", V5, "00 00", false, "must not send"},
		{"a server that subscribes", V5, "82 09 0001 02 0b05 0001 61 2d", false, "must not send"},
		{"a client that accepts", V5, "20 03 00 00 00", true, "must not send"},
		{"AUTH in 3.1.1", V311, "f0 00", false, "must not send"},
		{"DISCONNECT of a server in 3.1.1", V311, "e0 00", false, "must not send"},
		{"PINGRESP with octets", V5, "d0 01 00", false, "after its end"},
		{"QoS 3", V5, "36 05 0001 61 0001", false, "QoS 3"},
		{"id 0", V5, "32 06 0001 61 0000 00", false, "id 0"},
		{"PUBACK of id 0", V5, "40 02 0000", false, "id 0"},
		{"a property twice", V5, "30 0a 0001 61 06 01 00 01 00 01 00", false, "invalid properties"},
		{"an unknown property", V5, "30 06 0001 61 02 2b 00", false, "invalid properties"},
		{"a property of another packet", V5, "30 07 0001 61 03 21 0001", false, "invalid properties"},
		{"a flag of 2", V5, "30 06 0001 61 02 01 02", false, "invalid properties"},
		{"receive maximum 0", V5, "20 06 00 00 03 21 0000", false, "invalid properties"},
		{"properties beyond the packet", V5, "30 06 0001 61 7f 01 00", false, "malformed PUBLISH"},
		{"a text beyond the properties", V5, "30 08 0001 61 04 03 0009 61", false, "invalid properties"},
		{"no code", V5, "20 01 00", false, "malformed CONNACK"},
		{"flags of CONNACK", V5, "20 03 02 00 00", false, "invalid flags"},
		{"a topic that is no text", V5, "30 04 0001 ff 00", true, "UTF-8"},
		{"SUBSCRIBE to nothing", V5, "82 03 0001 00", true, "malformed SUBSCRIBE"},
		{"SUBSCRIBE with QoS 3", V311, "82 06 0001 0001 61 03", true, "invalid filter"},
		{"SUBSCRIBE with retain handling 3", V5, "82 07 0001 00 0001 61 30", true, "invalid filter"},
		{"UNSUBSCRIBE of nothing", V311, "a2 02 0001", true, "malformed UNSUBSCRIBE"},
		{"a reserved flag of CONNECT", V311, "10 0d 0004 4d515454 04 01 000a 0001 61", true, "invalid flags"},
		{"a password without a name", V311, "10 10 0004 4d515454 04 40 000a 0001 61 0001 61", true, "invalid flags"},
		{"a will with QoS 3", V311, "10 13 0004 4d515454 04 1c 000a 0001 61 0001 61 0001 61", true, "invalid flags"},
		{"MQTT 3.1", V311, "10 0f 0006 4d5149736470 03 00 000a 0001 61", true, "unsupported protocol version"},
		{"MQTT 6", V311, "10 0d 0004 4d515454 06 00 000a 0001 61", true, "unsupported protocol version"},
	} {
		p, _, err := read(octets(t, v.octets), v.version, v.client, 1<<20)
		var violation *Error
		if !errors.As(err, &violation) || !strings.Contains(err.Error(), v.want) || !violation.Code.Failed() {
			t.Errorf("%s: %+v, %v", v.name, p, err)
		}
		if v.want == "unsupported protocol version" && violation.Code != UnsupportedVersion {
			t.Errorf("%s: %v", v.name, violation.Code)
		}
	}
}

// The reader never allocates more than has arrived, whatever a header announces. It bounds the number of properties.
func TestBounds(t *testing.T) {
	lie := octets(t, "30 ffffff7f 0001 61")
	if n := testing.AllocsPerRun(10, func() { read(lie, V5, false, 1<<28) }); n > 20 {
		t.Errorf("%v allocations", n)
	}
	result := testing.Benchmark(func(b *testing.B) {
		for range b.N {
			read(lie, V5, false, 1<<28)
		}
	})
	if got := result.AllocedBytesPerOp(); got > 4*firstPiece {
		t.Errorf("%d bytes for a lie", got)
	}
	many := &Publish{Topic: "a"}
	for range 10 * maxProperties {
		many.Properties = append(many.Properties, Property{ID: UserProperty, Name: "n", Text: "v"})
	}
	many.Properties = append(many.Properties, Property{ID: ContentType, Text: "c"})
	p, _, err := read(many.Append(nil, V5), V5, false, 1<<20)
	if got := p.(*Publish).Properties; err != nil || len(got) != maxProperties+1 || got.Text(ContentType) != "c" || got.User("n") != "v" {
		t.Errorf("%d properties, %v", len(got), err)
	}
	large := &Publish{QoS: 1, ID: 7, Topic: "a", Payload: make([]byte, 100)}
	p, r, err := read(Ping{TypePingresp}.Append(large.Append(nil, V5), V5), V5, false, 50)
	if got, ok := p.(*Publish); !ok || err != ErrTooLarge || got.ID != 7 || got.Topic != "a" || got.Payload != nil {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := r.FromServer(); p != (Ping{TypePingresp}) || err != nil {
		t.Errorf("after it: %+v, %v", p, err)
	}
	bare := &Publish{Topic: strings.Repeat("t", 100)} // nothing follows the topic
	if p, _, err := read(append(bare.Append(nil, V311), 0), V311, false, 50); err != ErrTooLarge || p.(*Publish).Topic != bare.Topic {
		t.Errorf("%+v, %v", p, err)
	}
	if _, _, err := read(octets(t, "90 7f 00"), V5, false, 50); err == nil || !strings.Contains(err.Error(), "127 octets") {
		t.Errorf("%v", err)
	}
	long := &Publish{Topic: strings.Repeat("x", maxText+5), Payload: []byte("p")}
	if p, _, err := read(long.Append(nil, V5), V5, false, 1<<20); err != nil || string(p.(*Publish).Payload) != "p" {
		t.Errorf("a text that is too long spoils the packet: %v", err)
	}
}

// A server of MQTT 3.1.1 answers in its own form.
func TestAnswerOfAnOldServer(t *testing.T) {
	p, _, err := read(octets(t, "20 02 00 01"), V5, false, 100)
	if ack, ok := p.(*Connack); !ok || err != nil || ack.Code != 1 || ack.Code.FromV311() != UnsupportedVersion {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestCodes(t *testing.T) {
	for code, want := range map[Code]string{
		NotAuthorized: "not authorized (0x87)", 0xa2: "wildcard subscriptions not supported (0xa2)", 0xa3: "code 0xa3", 0xff: "code 0xff", 1: "code 0x01",
		Code(4).FromV311(): "bad user name or password (0x86)", Code(9).FromV311(): "unspecified error (0x80)",
	} {
		if code.String() != want {
			t.Errorf("%q instead of %q", code, want)
		}
	}
	if Success.Failed() || !UnspecifiedError.Failed() || Version(9).String() != "unknown" || V5.String() != "5" || V311.String() != "3.1.1" {
		t.Error("names")
	}
}

func TestProperties(t *testing.T) {
	p := Properties{{ID: ContentType, Name: "a", Text: "t"}, {ID: UserProperty, Name: "b", Text: "1"}, {ID: UserProperty, Name: "a", Text: "2"}, {ID: UserProperty, Name: "a", Text: "3"},
		{ID: TopicAlias, Number: 7}}
	if p.User("a") != "2" || p.User("b") != "1" || p.User("c") != "" {
		t.Errorf("user properties: %q %q %q", p.User("a"), p.User("b"), p.User("c"))
	}
	if p.Number(TopicAlias, 3) != 7 || p.Number(ReceiveMaximum, 3) != 3 || p.Text(ContentType) != "t" || p.Text(ReasonString) != "" || !p.Has(TopicAlias) || p.Has(ReasonString) {
		t.Errorf("%+v", p)
	}
}

// Decoding never panics. Encoding and decoding a decoded packet gives the same packet.
func fuzz(f *testing.F, client bool) {
	for _, v := range vectors {
		f.Add(octets(f, v.octets), v.version == V5)
	}
	f.Fuzz(func(t *testing.T, b []byte, five bool) {
		version := V311
		if five {
			version = V5
		}
		p, r, err := read(b, version, client, 1<<16)
		if err != nil {
			return
		}
		version = r.Version
		again, _, err := read(p.Append(nil, version), version, client, 1<<18)
		if err != nil || !reflect.DeepEqual(p, again) {
			t.Errorf("%+v becomes %+v, %v", p, again, err)
		}
	})
}

func FuzzFromServer(f *testing.F) { fuzz(f, false) }
func FuzzFromClient(f *testing.F) { fuzz(f, true) }
