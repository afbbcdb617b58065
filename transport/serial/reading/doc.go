// Package reading holds the measurement of a device that speaks no WAMP: the event to publish, with a topic and scaled
// values.
//
//	scale.go      Scale: from the device's numbers to the wanted unit
//	template.go   Template: topics with placeholders, "com.example.{name}"
package reading

import "time"

// Event is an event to publish.
type Event struct {
	Topic  string
	Args   []any
	Kwargs map[string]any
}

// Timestamp formats a time the way events carry it: RFC 3339 in UTC with milliseconds.
func Timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
