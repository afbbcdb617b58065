// Package patience limits the time of waits for peers that do not react.
package patience

import (
	"sync"
	"time"
)

// Max is full patience: the longest wait.
const Max = time.Second

// Recovery is the ratio of the time to recover patience to the time spent: in the long run at most a tenth of the time is
// spent in waits without success.
const Recovery = 10

// Patience bounds the waits of all who share it. A wait that succeeds costs nothing. The zero value is full patience. Any
// goroutine may use it.
type Patience struct {
	mu    sync.Mutex
	spent time.Duration // time of unsuccessful waits, less what has recovered since; at most Max
	at    time.Time     // when spent was updated
}

// Left returns how long one may wait now.
func (p *Patience) Left() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recover()
	return Max - p.spent
}

// Spend adds a wait that timed out.
func (p *Patience) Spend(waited time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recover()
	p.spent = min(p.spent+waited, Max)
}

// recover updates spent. The caller holds mu.
func (p *Patience) recover() {
	now := time.Now()
	if !p.at.IsZero() {
		p.spent = max(0, p.spent-now.Sub(p.at)/Recovery)
	}
	p.at = now
}
