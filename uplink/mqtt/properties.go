package mqtt

import (
	"time"
	"unicode/utf8"

	"runnel/edge/client"
	"runnel/transport/mqtt/packet"
	"runnel/uplink/spool"
)

// With MQTT 5, messages have properties beside their payload. docs/mqtt.md lists them.

// Names of user properties.
const (
	timeProperty      = "time"      // when the event was published, as in RFC 3339
	publisherProperty = "publisher" // its publisher's authid
)

// Content types.
const (
	typeJSON = "application/json"
	typeCBOR = "application/cbor"
	typeText = "text/plain"
)

// propertyTime is the form of timeProperty.
const propertyTime = "2006-01-02T15:04:05.000Z"

// maxPublisher bounds a publisher's authid, in bytes. A longer one is left out.
const maxPublisher = 256

// describe returns the properties of an event's message.
func describe(e *spool.Event, way *route, f Format, payload []byte) packet.Properties {
	list := make(packet.Properties, 0, 5)
	list = f.describe(list, payload)
	if left, _ := e.Left(); left > 0 {
		list = append(list, packet.Property{ID: packet.MessageExpiry, Number: seconds(left)})
	}
	list = append(list, packet.Property{ID: packet.UserProperty, Name: timeProperty, Text: e.Time.UTC().Format(propertyTime)})
	if way.publisher != "" {
		list = append(list, packet.Property{ID: packet.UserProperty, Name: publisherProperty, Text: way.publisher})
	}
	return list
}

// describe appends the properties of a payload in this format.
func (f Format) describe(list packet.Properties, payload []byte) packet.Properties {
	kind, text := typeJSON, true
	switch {
	case len(payload) == 0 || f == Raw:
		return list
	case f == CBOR:
		kind, text = typeCBOR, false
	case f == Text:
		if kind = typeText; !utf8.Valid(payload) {
			return list
		}
	}
	if text {
		list = append(list, packet.Property{ID: packet.PayloadFormat, Number: 1})
	}
	return append(list, packet.Property{ID: packet.ContentType, Text: kind})
}

// as returns the form of a message whose sender names its content type.
func (f *Form) as(contentType string) *Form {
	own := *f
	switch {
	case f.Format == JSON && contentType == typeCBOR:
		own.Format = CBOR
	case f.Format == CBOR && contentType == typeJSON:
		own.Format = JSON
	default:
		return f
	}
	return &own
}

// take adds the properties of a message to the options of its event.
func (l *Link) take(o *client.PublishOptions, p packet.Properties) {
	o.ForwardFor = l.way
	if len(p) == 0 {
		return
	}
	if at, err := time.Parse(time.RFC3339Nano, p.User(timeProperty)); err == nil {
		o.Time = at
	}
	if name := p.User(publisherProperty); name != "" && len(name) <= maxPublisher && packet.ValidText(name) {
		o.ForwardFor = []client.Hop{l.way[0]}
		o.ForwardFor[0].Authid = name
	}
	if p.Has(packet.MessageExpiry) {
		o.TTL = max(time.Duration(p.Number(packet.MessageExpiry, 0))*time.Second, time.Millisecond)
	}
}
