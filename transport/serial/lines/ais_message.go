package lines

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
)

// aisMessages joins the sentences of AIS messages that are split over several.
type aisMessages struct {
	mu      sync.Mutex
	pending []aisPart // oldest first
}

// aisPart is a message of which sentences are missing.
type aisPart struct {
	key     string // the common part of its sentences
	next    int64  // number of the next sentence
	payload string
	since   time.Time
}

// Limits of the messages that are incomplete: their number, their length in characters, and the longest wait for a sentence.
// A message has at most 1,064 bits (ITU-R M.1371).
const (
	maxAISPending = 16
	maxAISPayload = 256
	aisPatience   = 10 * time.Second
)

// join takes a sentence of a message. With the last one, it reads the whole message into the fields of r. Sentences of a message
// that has lost one are left as they are.
func (m *aisMessages) join(address string, values []string, now time.Time, r *record) {
	total, _ := r.fields["fragments"].(int64)
	number, _ := r.fields["fragment"].(int64)
	if total < 2 || total > 9 || len(values) < 6 {
		return
	}
	payload := m.add(fmt.Sprint(address, total, values[2], values[3]), number, total, values[4], now)
	if payload == "" {
		return
	}
	fill, _ := strconv.Atoi(values[5])
	if bits, err := unarmour(payload, fill); err == nil { // each part was reported before
		bits.read(r.fields)
	}
}

// add returns the payload of the message if the sentence is its last one.
func (m *aisMessages) add(key string, number, total int64, payload string, now time.Time) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pending = slices.DeleteFunc(m.pending, func(p aisPart) bool {
		return now.Sub(p.since) > aisPatience || number == 1 && p.key == key
	})
	at := slices.IndexFunc(m.pending, func(p aisPart) bool { return p.key == key && p.next == number })
	switch {
	case number == 1:
		if len(m.pending) == maxAISPending {
			m.pending = slices.Delete(m.pending, 0, 1)
		}
		m.pending = append(m.pending, aisPart{key: key, next: 1, since: now})
		at = len(m.pending) - 1
	case at < 0:
		return ""
	}
	p := &m.pending[at]
	p.next++
	p.payload += payload
	if whole := p.payload; number == total || len(whole) > maxAISPayload {
		m.pending = slices.Delete(m.pending, at, at+1)
		if number == total && len(whole) <= maxAISPayload {
			return whole
		}
	}
	return ""
}

// voyage reads the static and voyage data of a ship (message 5). Values that mean "not available" are left out.
func (a armour) voyage(fields map[string]any) {
	a.positive(fields, "imo", 40, 30)
	a.words(fields, "callsign", 70, 7)
	a.positive(fields, "ship_type", 232, 8)
	a.words(fields, "destination", 302, 20)
	if draught, ok := a.number(294, 8); ok && draught > 0 {
		fields["draught"] = float64(draught) / 10
	}
	bow, _ := a.number(240, 9)
	stern, _ := a.number(249, 9)
	port, _ := a.number(258, 6)
	if starboard, ok := a.number(264, 6); ok && bow+stern > 0 && port+starboard > 0 {
		fields["length"], fields["beam"] = bow+stern, port+starboard
	}
	month, _ := a.number(274, 4)
	day, _ := a.number(278, 5)
	hour, _ := a.number(283, 5)
	if minute, ok := a.number(288, 6); ok && month > 0 && month <= 12 && day > 0 && hour < 24 && minute < 60 {
		fields["eta"] = fmt.Sprintf("%02d-%02dT%02d:%02dZ", month, day, hour, minute)
	}
}

// positive stores a number that is not 0, which means "not available".
func (a armour) positive(fields map[string]any, name string, from, length int) {
	if n, ok := a.number(from, length); ok && n > 0 {
		fields[name] = n
	}
}
