package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// figures are the results of one run. A zero figure does not apply to its scenario.
type figures struct {
	PerSecond  float64 `json:"per_second"`         // messages delivered or calls answered
	CPU        float64 `json:"cpu_us_per_message"` // of the broker
	P50        float64 `json:"p50_us"`             // from PUBLISH to EVENT, from CALL to RESULT
	P99        float64 `json:"p99_us"`             //
	Resident   float64 `json:"resident_kib"`       // of the broker, at the end
	PerSession float64 `json:"kib_per_session"`    // of the broker
	Setup      float64 `json:"setup_us_per_entry"` // CPU of the broker for each subscription
	EntrySize  float64 `json:"kib_per_entry"`      // memory of the broker for each subscription
	Written    float64 `json:"bytes_written"`      // to disk by the broker, for each message
	Before     float64 `json:"before_kib"`         // resident memory of the broker before a backlog is drained
	Most       float64 `json:"most_kib"`           // its largest value meanwhile
	Lost       int     `json:"lost"`               // messages that never arrived
	Again      int     `json:"duplicates"`         // messages that arrived more than once
	Failed     string  `json:"failed,omitempty"`   // why the row has no figures
	Scenario   string  `json:"scenario,omitempty"` //
	Broker     string  `json:"broker,omitempty"`   //
}

// spent fills in the broker's cost for the delivery of n messages between two moments.
func (f *figures) spent(n int, took time.Duration, before, after usage) {
	f.PerSecond = float64(n) / took.Seconds()
	f.CPU = micros(after.cpu-before.cpu) / float64(max(1, n))
	f.Written = float64(after.written-before.written) / float64(max(1, n))
	f.Resident = float64(after.resident)
}

// halve corrects the figures of a run in which each message was counted twice.
func (f *figures) halve() {
	f.PerSecond, f.CPU, f.Written = f.PerSecond/2, f.CPU*2, f.Written*2
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// latencies gathers samples. Any goroutine may add to it.
type latencies struct {
	mu      sync.Mutex
	samples []time.Duration // guarded by mu
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	l.samples = append(l.samples, d)
	l.mu.Unlock()
}

// fill sets the percentiles. No goroutine may add any more.
func (l *latencies) fill(f *figures) {
	if len(l.samples) == 0 {
		return
	}
	slices.Sort(l.samples)
	at := func(share float64) float64 { return micros(l.samples[int(share*float64(len(l.samples)-1))]) }
	f.P50, f.P99 = at(0.50), at(0.99)
}

// table holds the rows of all runs, in the order in which they were first added.
type table struct {
	rows []*row
}

type row struct {
	scenario, broker string
	runs             []figures
	err              error
}

func (t *table) add(scenario, broker string, f figures, err error) {
	i := slices.IndexFunc(t.rows, func(r *row) bool { return r.scenario == scenario && r.broker == broker })
	if i < 0 {
		i = len(t.rows)
		t.rows = append(t.rows, &row{scenario: scenario, broker: broker})
	}
	r := t.rows[i]
	if err != nil {
		r.err = err
		return
	}
	r.runs = append(r.runs, f)
}

// medians has a line for each row: the median of each figure, but the largest loss.
func (t *table) medians() []figures {
	var all []figures
	for _, r := range t.rows {
		f := figures{Scenario: r.scenario, Broker: r.broker}
		if r.err != nil {
			f.Failed = r.err.Error()
			all = append(all, f)
			continue
		}
		f.PerSecond = median(r.runs, func(f figures) float64 { return f.PerSecond })
		f.CPU = median(r.runs, func(f figures) float64 { return f.CPU })
		f.P50 = median(r.runs, func(f figures) float64 { return f.P50 })
		f.P99 = median(r.runs, func(f figures) float64 { return f.P99 })
		f.Resident = median(r.runs, func(f figures) float64 { return f.Resident })
		f.PerSession = median(r.runs, func(f figures) float64 { return f.PerSession })
		f.Setup = median(r.runs, func(f figures) float64 { return f.Setup })
		f.EntrySize = median(r.runs, func(f figures) float64 { return f.EntrySize })
		f.Written = median(r.runs, func(f figures) float64 { return f.Written })
		f.Before = median(r.runs, func(f figures) float64 { return f.Before })
		f.Most = median(r.runs, func(f figures) float64 { return f.Most })
		f.Again = slices.MaxFunc(r.runs, func(a, b figures) int { return cmp.Compare(a.Again, b.Again) }).Again
		f.Lost = slices.MaxFunc(r.runs, func(a, b figures) int { return cmp.Compare(a.Lost, b.Lost) }).Lost
		all = append(all, f)
	}
	return all
}

func median(runs []figures, of func(figures) float64) float64 {
	values := make([]float64, len(runs))
	for i, f := range runs {
		values[i] = of(f)
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// print writes the tables in Markdown, ready for docs/performance.md: one of the rows of kept events, and one of all others.
func (t *table) print(w io.Writer) {
	var others, kept []figures
	for _, f := range t.medians() {
		if strings.HasPrefix(f.Scenario, "durable") {
			kept = append(kept, f)
		} else {
			others = append(others, f)
		}
	}
	if len(others) > 0 {
		printOthers(w, others)
	}
	if len(kept) > 0 {
		printKept(w, kept)
	}
}

func printKept(w io.Writer, rows []figures) {
	fmt.Fprintln(w, "\n| scenario | broker | events/s | CPU µs | bytes written | p50 µs | p99 µs | RSS MiB before | at most | after | lost | duplicates |")
	fmt.Fprintln(w, "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, f := range rows {
		if f.Failed != "" {
			fmt.Fprintf(w, "| %s | %s | failed | | | | | | | | | |\n", f.Scenario, f.Broker)
			continue
		}
		fmt.Fprintf(w, "| %s | %s | %.0f | %.2f | %.0f | %s | %s | %s | %s | %.1f | %d | %d |\n", f.Scenario, f.Broker, f.PerSecond, f.CPU, f.Written,
			shown("%.0f", f.P50), shown("%.0f", f.P99), shown("%.1f", f.Before/1024), shown("%.1f", f.Most/1024), f.Resident/1024, f.Lost, f.Again)
	}
}

func printOthers(w io.Writer, rows []figures) {
	fmt.Fprintln(w, "| scenario | broker | messages/s | CPU µs | p50 µs | p99 µs | RSS MiB | KiB a session | CPU µs an entry | bytes an entry | lost |")
	fmt.Fprintln(w, "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, f := range rows {
		if f.Failed != "" {
			fmt.Fprintf(w, "| %s | %s | failed | | | | | | | | |\n", f.Scenario, f.Broker)
			continue
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %.1f | %s | %s | %s | %d |\n", f.Scenario, f.Broker, shown("%.0f", f.PerSecond),
			shown("%.2f", f.CPU), shown("%.0f", f.P50), shown("%.0f", f.P99), f.Resident/1024, shown("%.1f", f.PerSession), shown("%.1f", f.Setup), shown("%.0f", 1024*f.EntrySize), f.Lost)
	}
}

// shown formats a figure, or nothing where it does not apply.
func shown(format string, v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf(format, v)
}

// failed reports the rows that have no figures or have lost messages.
func (t *table) failed() error {
	var errs []error
	for _, f := range t.medians() {
		switch {
		case f.Failed != "":
			errs = append(errs, fmt.Errorf("%s on %s failed: %s", f.Scenario, f.Broker, f.Failed))
		case f.Lost > 0:
			errs = append(errs, fmt.Errorf("%s on %s lost %d messages", f.Scenario, f.Broker, f.Lost))
		}
	}
	return errors.Join(errs...)
}
