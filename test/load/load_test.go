package main

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Each scenario runs with small numbers against the real router. No message is lost, and the scenario's figures are
// present.
func TestScenarios(t *testing.T) {
	dir := t.TempDir()
	p := programs{runnel: build(t, dir)}
	if cc, err := exec.LookPath("cc"); err == nil {
		p.relay = filepath.Join(dir, "relay")
		if out, err := exec.Command(cc, "-O2", "-o", p.relay, "limit/relay.c").CombinedOutput(); err != nil {
			t.Fatalf("compile the relay: %v\n%s", err, out)
		}
	}
	for _, b := range p.brokers() {
		for _, s := range append(slices.Clip(scenarios), smallCurves()...) {
			if !s.fits(b.protocol) {
				continue
			}
			t.Run(s.name+" "+b.name, func(t *testing.T) {
				f, err := measure(b, s, 0.01)
				if err != nil {
					t.Fatal(err)
				}
				if f.Lost != 0 || f.Resident <= 0 {
					t.Errorf("lost %d, resident %.0f KiB", f.Lost, f.Resident)
				}
				if s.work.count > 0 && (f.PerSecond <= 0 || f.CPU <= 0) {
					t.Errorf("%.0f messages/s at %.2f us", f.PerSecond, f.CPU)
				}
				if f.Again > 0 || s.kept && f.CPU > 0 && f.P50 == 0 && (f.Before <= 0 || f.Most < f.Before) {
					t.Errorf("%d duplicates, %.0f KiB before, at most %.0f", f.Again, f.Before, f.Most)
				}
				if s.work.count > 0 && !s.json && f.Most == 0 && (f.P50 <= 0 || f.P99 < f.P50) {
					t.Errorf("p50 %.0f us, p99 %.0f us", f.P50, f.P99)
				}
				if s.work.entries > 0 && f.Setup <= 0 {
					t.Errorf("an entry costs %.1f us", f.Setup)
				}
			})
		}
	}
}

// smallCurves returns the smallest row of each curve.
func smallCurves() (list []scenario) {
	kinds := map[string]bool{}
	for _, s := range curves() {
		kind := s.name[:strings.LastIndex(s.name, " ")]
		if !kinds[kind] {
			list = append(list, s)
		}
		kinds[kind] = true
	}
	return list
}

// build compiles the router, or takes the one that RUNNEL_BIN names.
func build(t *testing.T, dir string) string {
	if path := os.Getenv("RUNNEL_BIN"); path != "" {
		return path
	}
	path := filepath.Join(dir, "runnel")
	if out, err := exec.Command("go", "build", "-o", path, "../../cmd/runnel").CombinedOutput(); err != nil {
		t.Fatalf("build runnel: %v\n%s", err, out)
	}
	return path
}

// A broker that loses messages is reported, not praised.
func TestLossFails(t *testing.T) {
	rows := &table{}
	rows.add("event", "a", figures{PerSecond: 10, Resident: 1}, nil)
	if err := rows.failed(); err != nil {
		t.Errorf("without loss: %v", err)
	}
	rows.add("event", "b", figures{PerSecond: 10, Resident: 1, Lost: 2}, nil)
	rows.add("event", "b", figures{PerSecond: 20, Resident: 1}, nil)
	if rows.failed() == nil {
		t.Error("a loss in one of two runs is no failure")
	}
	if all := rows.medians(); all[1].Lost != 2 || all[1].PerSecond != 15 {
		t.Errorf("the row is %+v", all[1])
	}
}

func TestPercentiles(t *testing.T) {
	var l latencies
	for i := 101; i > 0; i-- {
		l.add(time.Duration(i) * time.Microsecond)
	}
	var f figures
	l.fill(&f)
	if f.P50 != 51 || f.P99 != 100 {
		t.Errorf("p50 %v, p99 %v of 1..101 us", f.P50, f.P99)
	}
}

// The encoders and the heads they read again.
func TestHeads(t *testing.T) {
	for _, e := range []encoder{cborEncoder{}, jsonEncoder{}} {
		for _, id := range []uint64{1, 23, 24, 255, 256, 65535, 65536, math.MaxUint32, 1 << 53} {
			b := e.number(e.array(nil, 3), invocationCode)
			b = e.number(e.sep(b), id)
			b = e.end(e.binary(e.sep(b), []byte("payload")), ']')
			if kind, got := e.head(b); kind != invocationCode || got != id {
				t.Errorf("%T: head of %q is %d, %d", e, b, kind, got)
			}
			if p := e.payload(b, 7); p != nil && string(p) != "payload" {
				t.Errorf("%T: payload of %q is %q", e, b, p)
			}
		}
	}
}

func TestChoose(t *testing.T) {
	found := []broker{{name: "runnel"}, {name: "nats"}}
	if chosen, err := choose(found, []string{"nats"}); err != nil || len(chosen) != 1 || chosen[0].name != "nats" {
		t.Errorf("%v, %v", chosen, err)
	}
	if _, err := choose(found, []string{"nats", "unknown"}); err == nil {
		t.Error("an unknown broker is accepted")
	}
	if names := (programs{relay: "relay"}).brokers(); !slices.ContainsFunc(names, func(b broker) bool { return b.name == "limit" }) {
		t.Error("the relay is not among the brokers")
	}
}
