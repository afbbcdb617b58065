package payload

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Names of header fields. Those that begin with Nats- are NATS's own.
const (
	ContentTypeField = "Content-Type"
	MsgIDField       = "Nats-Msg-Id"        // of an event: its origin; JetStream drops repetitions of it
	ServiceError     = "Nats-Service-Error" // of a micro service: the text of an error
	ServiceErrorCode = "Nats-Service-Error-Code"

	TypeField      = "Runnel-Type"      // one of the types below
	ErrorField     = "Runnel-Error"     // of an error: its URI
	TimeoutField   = "Runnel-Timeout"   // of a call, in milliseconds
	CallField      = "Runnel-Call"      // of a cancellation and a part: the call's reply subject; of a question: its subject
	ModeField      = "Runnel-Mode"      // of a cancellation
	ProgressField  = "Runnel-Progress"  // of a call: "true" if the caller accepts progressive results
	KeyField       = "Runnel-Key"       // of a call: its resource key, percent-encoded
	MoreField      = "Runnel-More"      // of a call or a part: "true" if more parts of the arguments follow
	PartField      = "Runnel-Part"      // of a part: its number; the call itself is part 0
	TakenField     = "Runnel-Taken"     // of a sign of life: the number of consumed bytes of parts
	LinkField      = "Runnel-Link"      // names the link that sends a message about callees
	OriginField    = "Runnel-Origin"    // of an event: the origin, as in Nats-Msg-Id
	HopsField      = "Runnel-Hops"      // the links that an event or a call has crossed, see Hops
	TimeField      = "Runnel-Time"      // of an event: time of publication, in ms since 1970
	TTLField       = "Runnel-TTL"       // of an event: its remaining time when it was sent, in ms
	RetainField    = "Runnel-Retain"    // of an event: "true" if it is retained
	PublisherField = "Runnel-Publisher" // the authid of a disclosed publisher or caller
)

// Values of TypeField.
const (
	Event    = "event"
	Call     = "call"
	Result   = "result"
	Progress = "progress"
	Error    = "error"
	Cancel   = "cancel"
	Part     = "part"    // of the arguments of a call
	Alive    = "alive"   // the callee is still working
	Probe    = "probe"   // asks whether topics cover the subject of a call
	Covered  = "covered" // they do
	Ask      = "ask"     // asks which links offer a subject; without a subject: for the nodes of the links
	Offer    = "offer"   // a link offers it
	Nodes    = "nodes"   // the nodes of a link by the patterns of its sharded registrations
)

// Origin returns the text of an origin, which is unique among all events.
func Origin(o client.Origin) string {
	text := strconv.FormatUint(o.Epoch, 10) + "." + strconv.FormatUint(o.Sequence, 10) + "." + url.PathEscape(o.Node)
	if o.Owner != "" {
		text += "/" + url.PathEscape(o.Owner)
	}
	return text
}

// maxText bounds the texts in fields that a foreign program may have written, in bytes.
const maxText = 255

// ParseOrigin is the inverse of Origin.
func ParseOrigin(text string) (o client.Origin, ok bool) {
	epoch, rest, _ := strings.Cut(text, ".")
	sequence, node, _ := strings.Cut(rest, ".")
	node, owner, _ := strings.Cut(node, "/")
	var err [4]error
	o.Epoch, err[0] = strconv.ParseUint(epoch, 10, 53)
	o.Sequence, err[1] = strconv.ParseUint(sequence, 10, 53)
	o.Node, err[2] = url.PathUnescape(node)
	o.Owner, err[3] = url.PathUnescape(owner)
	if err != [4]error{} || o.Sequence == 0 || o.Node == "" || max(len(o.Node), len(o.Owner)) > maxText || !printable(o.Node) || !printable(o.Owner) {
		return client.Origin{}, false
	}
	return o, true
}

// maxHops bounds the hops of one message. The router has the same limit.
const maxHops = 64

// Hops returns the text of the links that a message has crossed, oldest first: a JSON list of [session, authid,
// authrole, node, tag].
func Hops(way []client.Hop) string {
	list := make([]any, len(way))
	for i, h := range way {
		list[i] = []any{h.Session, h.Authid, h.Authrole, h.Node, h.Tag}
	}
	text, err := codec.AppendValue(nil, wamp.JSON, list)
	if err != nil {
		return "[]" // no text in a Hop is invalid: all have come in messages
	}
	return string(text)
}

// ParseHops is the inverse of Hops. An empty text has no hops.
func ParseHops(text string) (way []client.Hop, ok bool) {
	if text == "" {
		return nil, true
	}
	p := codec.Payload{Serializer: wamp.JSON, Items: 1, Raw: []byte(text)}
	args, _, err := p.Split()
	list, ok := args.Items()
	for ok = ok && err == nil; ok && list.Next(); {
		var h client.Hop
		if h, ok = hop(list.Value()); len(way) == maxHops {
			ok = false
		}
		way = append(way, h)
	}
	if !ok {
		return nil, false
	}
	return way, true
}

func hop(v codec.Value) (h client.Hop, ok bool) {
	fields, ok := v.Items()
	if !ok || !fields.Next() {
		return h, false
	}
	if h.Session, ok = fields.Value().Uint(); !ok || h.Session > wamp.MaxID {
		return h, false
	}
	for _, into := range []*string{&h.Authid, &h.Authrole, &h.Node, &h.Tag} {
		if !fields.Next() {
			return h, false
		}
		text, isText := fields.Value().Text()
		if !isText || len(text) > maxText {
			return h, false
		}
		*into = string(text)
	}
	return h, !fields.Next()
}

// lastTime is the end of the year 9999.
const lastTime = 253402300799999

// Time returns the text of a time; "" for the zero time.
func Time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(max(t.UnixMilli(), 0), 10)
}

// ParseTime is the inverse of Time. It returns the zero time for an invalid text.
func ParseTime(text string) time.Time {
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms < 0 || ms > lastTime {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// Timeout returns the text of a timeout, at least one millisecond; "" for 0.
func Timeout(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return strconv.FormatInt(max(d.Milliseconds(), 1), 10)
}

// ParseTimeout is the inverse of Timeout. It returns 0 for an invalid text.
func ParseTimeout(text string) time.Duration {
	ms, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}

// Value returns a text for a header field, without line breaks and other control characters.
func Value(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}

func printable(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] == 0x7f {
			return false
		}
	}
	return true
}
