// Package reading is what a device that speaks no WAMP has measured, on its way to an event: a topic, and values in units.
//
//	scale.go      a number of the device's, in the unit that people want
//	template.go   "com.example.{name}": a topic made of what was measured
package reading

import "time"

// Event is what is to be published.
type Event struct {
	Topic  string
	Args   []any
	Kwargs map[string]any
}

// Stamp writes a time as events carry it: RFC 3339 in UTC, to the millisecond.
func Stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
