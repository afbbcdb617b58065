package budget

import (
	"sync"
	"time"
)

// Status is a snapshot. Octets are those of now, the counters those since the start.
type Status struct {
	Limit   int64             `json:"limit"` // octets there are; 0: no bound
	Used    int64             `json:"used"`
	Use     map[string]int64  `json:"use"`     // octets by kind
	Refused map[string]uint64 `json:"refused"` // by kind: what there was no room for
	Waits   uint64            `json:"waits"`   // long messages that were read on later
	Cut     uint64            `json:"cut"`     // peers that were cut because they had the most
}

// Status returns the present figures; nil without a budget.
func (b *Budget) Status() *Status {
	if b == nil {
		return nil
	}
	s := &Status{Limit: b.limit.Load(), Used: b.used.Load(), Use: make(map[string]int64), Refused: make(map[string]uint64),
		Waits: b.waits.Load(), Cut: b.cuts.Load()}
	for k := range kinds {
		s.Use[k.String()] = b.kinds[k].Load()
		if n := b.refused[k].Load(); n > 0 {
			s.Refused[k.String()] = n
		}
	}
	return s
}

// reportInterval is how often the log is told that memory is short.
const reportInterval = 10 * time.Second

// report tells the log, with a moment's delay so that one line has it all.
type report struct {
	budget *Budget

	mu    sync.Mutex
	due   bool
	last  time.Time
	told  [kinds]uint64
	waits uint64
	cuts  uint64
}

// note has the log told soon.
func (r *report) note() {
	if r.budget.log == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.due {
		return
	}
	r.due = true
	time.AfterFunc(max(reportInterval-time.Since(r.last), 100*time.Millisecond), r.tell)
}

// tell writes what has happened since it did so last.
func (r *report) tell() {
	b := r.budget
	r.mu.Lock()
	r.due, r.last = false, time.Now()
	attrs := []any{"used", b.used.Load(), "limit", b.limit.Load()}
	if n := b.cuts.Load(); n > r.cuts {
		attrs = append(attrs, "peers_cut", n-r.cuts)
		r.cuts = n
	}
	if n := b.waits.Load(); n > r.waits {
		attrs = append(attrs, "reads_delayed", n-r.waits)
		r.waits = n
	}
	for k := range kinds {
		if n := b.refused[k].Load(); n > r.told[k] {
			attrs = append(attrs, k.String()+"_refused", n-r.told[k])
			r.told[k] = n
		}
	}
	r.mu.Unlock()
	b.log.Warn("memory is short", attrs...)
}
