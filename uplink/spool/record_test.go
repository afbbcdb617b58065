package spool

import "testing"

// A record is valid up to the ends of its fields' ranges, and invalid beyond.
func TestRecordLimits(t *testing.T) {
	head := func(kind recordKind, sequence, acked uint64, at int64) []byte {
		record := appendHead(nil, kind, 1, sequence, acked, at)
		if kind == goneRecord {
			record = append(record, 0) // no topic
		}
		return record
	}
	held := func(class Class) []byte {
		return appendHeld(nil, &heldEvent{item: item{Event: Event{Sequence: 7, Class: class}}}, 9)
	}
	for name, c := range map[string]struct {
		record []byte
		valid  bool
	}{
		"zeros":                            {head(markRecord, 0, 0, 0), true},
		"the last number":                  {head(markRecord, 1<<62-1, 1<<62-1, 0), true},
		"a number too high":                {head(markRecord, 1<<62, 5, 0), false},
		"the last time":                    {head(markRecord, 5, 5, 1<<63-1), true},
		"a time before the beginning":      {head(markRecord, 5, 5, -1), false},
		"an acknowledgement ahead":         {head(markRecord, 5, 6, 0), false},
		"one ahead of a mark":              {head(goneRecord, 5, 6, 0), true},
		"one ahead of a mark, too high":    {head(goneRecord, 5, 1<<62, 0), false},
		"the highest ahead of a mark":      {head(goneRecord, 5, 1<<62-1, 0), true},
		"a held event of the last class":   {held(Durable), true},
		"a held event of an unknown class": {held(Durable + 1), false},
	} {
		if r, ok := decode(c.record, ""); ok != c.valid {
			t.Errorf("%s: %+v, %v", name, r, ok)
		}
	}
}
