package budget

import (
	"sync"
	"time"
)

// Status is a snapshot. Sizes are current and in bytes; counters count since the start.
type Status struct {
	Limit   int64             `json:"limit"` // bytes; 0: no limit
	Used    int64             `json:"used"`
	Use     map[string]int64  `json:"use"`     // bytes by kind
	Refused map[string]uint64 `json:"refused"` // refusals by kind
	Waits   uint64            `json:"waits"`   // long messages whose reading was delayed
	Cut     uint64            `json:"cut"`     // peers that were cut
}

// Status returns the current figures, or nil without a budget.
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

// reportInterval is the shortest time between two log lines about memory.
const reportInterval = 10 * time.Second

// report logs that memory is short, with a short delay so that one line covers all that happens.
type report struct {
	budget *Budget

	mu       sync.Mutex
	due      bool
	last     time.Time
	reported [kinds]uint64
	waits    uint64
	cuts     uint64
}

// note schedules a log line.
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
	time.AfterFunc(max(reportInterval-time.Since(r.last), 100*time.Millisecond), r.write)
}

// write logs what has happened since the last line.
func (r *report) write() {
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
		if n := b.refused[k].Load(); n > r.reported[k] {
			attrs = append(attrs, k.String()+"_refused", n-r.reported[k])
			r.reported[k] = n
		}
	}
	r.mu.Unlock()
	b.log.Warn("memory is short", attrs...)
}
