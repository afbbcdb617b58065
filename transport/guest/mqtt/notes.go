package mqtt

import (
	"runnel/edge/codec"
	"runnel/transport/mqtt/packet"
)

// Message properties that have no counterpart in WAMP pass the router in wamp.KeyProperties, a dict with these keys.
// Subscribers that speak WAMP may read them.
const (
	noteFormat  = "payload_format"
	noteType    = "content_type"
	noteReply   = "response_topic"
	noteData    = "correlation_data"
	noteUser    = "user_properties" // list of [name, value]
	noteRetain  = "retain"          // the message was published as a retained one
	noteSender  = "sender"          // marks the client's own messages
	maxNotes    = 64
	maxNoteText = 65535
)

func note(notes map[string]any, key string, value any) map[string]any {
	if notes == nil {
		notes = map[string]any{}
	}
	notes[key] = value
	return notes
}

// notesOf returns the notes about a message; nil if there are none.
func notesOf(p *packet.Publish) (notes map[string]any) {
	if p.Retain {
		notes = note(notes, noteRetain, true)
	}
	var user []any
	for i := range p.Properties {
		switch f := &p.Properties[i]; f.ID {
		case packet.PayloadFormat:
			notes = note(notes, noteFormat, uint64(f.Number))
		case packet.ContentType:
			notes = note(notes, noteType, f.Text)
		case packet.ResponseTopic:
			notes = note(notes, noteReply, f.Text)
		case packet.CorrelationData:
			notes = note(notes, noteData, []byte(f.Text))
		case packet.UserProperty:
			user = append(user, []any{f.Name, f.Text})
		}
	}
	if user != nil {
		notes = note(notes, noteUser, user)
	}
	return notes
}

// notes is the content of wamp.KeyProperties for a client.
type notes struct {
	retain     bool
	sender     string
	properties packet.Properties
}

// readNotes reads wamp.KeyProperties. Any publisher may have set it, so everything that MQTT does not allow is left
// out.
func (c *Conn) readNotes(v codec.Value) (n notes) {
	dict, ok := v.Dict()
	if !ok {
		return n
	}
	for f := dict.Fields(); f.Next(); {
		v := f.Value()
		switch string(f.Key()) {
		case noteRetain:
			n.retain, _ = v.Bool()
		case noteSender:
			text, _ := v.Text()
			n.sender = string(text)
		case noteFormat:
			if number, ok := v.Uint(); ok && number <= 1 {
				n.properties = append(n.properties, packet.Property{ID: packet.PayloadFormat, Number: uint32(number)})
			}
		case noteType:
			n.text(packet.ContentType, v)
		case noteReply:
			n.text(packet.ResponseTopic, v)
		case noteData:
			if b, err := v.Any(); err == nil {
				if data, ok := b.([]byte); ok && len(data) <= maxNoteText {
					n.properties = append(n.properties, packet.Property{ID: packet.CorrelationData, Text: string(data)})
				}
			}
		case noteUser:
			n.user(v)
		}
	}
	if c.version < packet.V5 {
		n.properties = nil
	}
	return n
}

func textOf(v codec.Value) (text string, ok bool) {
	t, ok := v.Text()
	text = string(t)
	return text, ok && len(text) <= maxNoteText && packet.ValidText(text)
}

func (n *notes) text(id packet.PropertyID, v codec.Value) {
	if text, ok := textOf(v); ok {
		n.properties = append(n.properties, packet.Property{ID: id, Text: text})
	}
}

func (n *notes) user(v codec.Value) {
	list, ok := v.Items()
	for i := 0; ok && list.Next() && i < maxNotes; i++ {
		pair, isPair := list.Value().Items()
		if !isPair || !pair.Next() {
			continue
		}
		name, good := textOf(pair.Value())
		if !good || !pair.Next() {
			continue
		}
		if text, good := textOf(pair.Value()); good {
			n.properties = append(n.properties, packet.Property{ID: packet.UserProperty, Name: name, Text: text})
		}
	}
}
