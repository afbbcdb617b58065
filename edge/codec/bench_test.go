package codec

import (
	"bytes"
	"testing"

	"runnel/edge/wamp"
)

// publish is the message of the performance budget: 128 octets of payload.
func publish(t testing.TB, s wamp.Serializer) []byte {
	t.Helper()
	payload, err := NewPayload(s, []any{string(bytes.Repeat([]byte{'x'}, 128))}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := Message{Type: wamp.Publish, Request: 239714735, Text: []byte("com.example.sensor.temperature"), Payload: payload}
	data, err := Append(nil, s, &m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func event(t testing.TB, s wamp.Serializer) *Message {
	t.Helper()
	var m Message
	if err := Parse(s, publish(t, s), &m); err != nil {
		t.Fatal(err)
	}
	return &Message{Type: wamp.Event, ID: 5512315355, Publication: 4429313566, Payload: m.Payload}
}

func BenchmarkParsePublish(b *testing.B) {
	for _, s := range wamp.Serializers {
		b.Run(s.String(), func(b *testing.B) {
			data := publish(b, s)
			var m Message
			b.ReportAllocs()
			for b.Loop() {
				if err := Parse(s, data, &m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkParseReadings parses an event with twenty readings, each a map of two items.
func BenchmarkParseReadings(b *testing.B) {
	readings := make([]any, 20)
	for i := range readings {
		readings[i] = map[string]any{"value": 21.5, "unit": "Cel"}
	}
	for _, s := range wamp.Serializers {
		b.Run(s.String(), func(b *testing.B) {
			payload, err := NewPayload(s, readings, nil)
			if err != nil {
				b.Fatal(err)
			}
			data, err := Append(nil, s, &Message{Type: wamp.Event, ID: 5512315355, Publication: 4429313566, Payload: payload})
			if err != nil {
				b.Fatal(err)
			}
			var m Message
			b.ReportAllocs()
			for b.Loop() {
				if err := Parse(s, data, &m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendEvent(b *testing.B) {
	for _, s := range wamp.Serializers {
		b.Run(s.String(), func(b *testing.B) {
			m := event(b, s)
			buf := make([]byte, 0, 1024)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Append(buf, s, m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkTranscode(b *testing.B) {
	for _, from := range wamp.Serializers {
		for _, to := range wamp.Serializers {
			if from == to {
				continue
			}
			b.Run(from.String()+"-to-"+to.String(), func(b *testing.B) {
				value, err := AppendValue(nil, from, map[string]any{
					"temperature": 21.5, "unit": "C", "n": 123456, "ok": true, "raw": []byte{1, 2, 3, 4, 5},
					"place": []any{"greenhouse", 7},
				})
				if err != nil {
					b.Fatal(err)
				}
				buf := make([]byte, 0, 1024)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := Transcode(buf, to, from, value); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
