// Package doctor checks an installation for what goes wrong in the field, and says what to type about it. It changes
// nothing, on this machine and at the centre.
//
//	doctor.go        the order of the checks, and their findings
//	clock.go, disk.go, user.go, network.go   the machine
//	ports.go, listeners.go, certificates.go  what the configuration takes of it
//	uplinks.go, rights.go   each link, as far as the permissions at its centre
//	router.go        what the running router reports
package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/transport/serial"
)

// Levels of findings. A note is no reason to call an installation unhealthy.
const (
	Error   = "error"
	Warning = "warning"
	Note    = "note"
)

// Finding is one thing that is wrong, or may be.
type Finding struct {
	Check  string `json:"check"` // which of the checks found it: "clock", "uplink"
	Level  string `json:"level"`
	Object string `json:"object,omitempty"` // what it is about: a line, a listener, a file
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"` // what to do, or to type
}

// Options say what to check.
type Options struct {
	File  string // the configuration; "": the system's
	Check config.UplinkCheck
	Agent string // which program asks a centre

	// Status asks the router that runs with a configuration for runnel.status, as JSON. ErrNotRunning means that none does.
	Status func(context.Context, *config.Config) ([]byte, error)
}

// ErrNotRunning means that no router runs with the configuration.
var ErrNotRunning = errors.New("no router runs")

// Report is the result of an examination.
type Report struct {
	Healthy  bool      `json:"healthy"`
	Config   string    `json:"config"`
	Checks   []string  `json:"checks"` // that were made
	Findings []Finding `json:"findings"`
}

// examination is what the checks share. Findings are added under mu; the rest does not change while checks run.
type examination struct {
	Options
	config  *config.Config // nil: it is invalid
	running *status        // of the router that runs; nil: none, or it does not tell
	ports   []serial.Info
	user    account

	mu       sync.Mutex
	findings []Finding
}

// checkTime bounds what one check asks the network.
const checkTime = 15 * time.Second

// checks are made at the same time, and reported in this order.
var checks = []struct {
	name  string
	check func(context.Context, *examination)
}{
	{"config", checkConfig}, {"router", checkRouter}, {"user", checkUser}, {"clock", checkClock}, {"disk", checkDisk}, {"serial", checkPorts},
	{"listener", checkListeners}, {"certificate", checkCertificates}, {"network", checkNames}, {"uplink", checkUplinks},
}

// Examine makes all checks. It returns an error only if ctx is done before.
func Examine(ctx context.Context, o Options) (*Report, error) {
	e := &examination{Options: o, user: routerAccount()}
	r := &Report{Config: config.File(o.File), Findings: []Finding{}}
	e.prepare(ctx)
	var work sync.WaitGroup
	for _, c := range checks {
		r.Checks = append(r.Checks, c.name)
		work.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, checkTime)
			defer cancel()
			c.check(ctx, e)
		})
	}
	work.Wait()
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	slices.SortStableFunc(e.findings, func(a, b Finding) int {
		return slices.Index(r.Checks, a.Check) - slices.Index(r.Checks, b.Check)
	})
	r.Findings = append(r.Findings, e.findings...)
	r.Healthy = !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Level != Note })
	return r, nil
}

// prepare reads what several checks need.
func (e *examination) prepare(ctx context.Context) {
	e.ports, _ = serial.List() // where ports can't be listed, their paths are looked at
	c, err := config.Load(e.File, e.Check)
	var problems config.Problems
	switch {
	case errors.As(err, &problems):
		for _, p := range problems {
			text, remedy := split(p.Text)
			e.add(Finding{"config", Error, place(p), text, remedy})
		}
	case err != nil:
		e.add(Finding{"config", Error, config.File(e.File), err.Error(), "run this as root, or write a configuration: sudo runnel init"})
	default:
		e.config = c
	}
	if c == nil {
		return
	}
	for _, w := range c.Warnings {
		text, remedy := split(w.Text)
		e.add(Finding{"config", Warning, place(w), text, remedy})
	}
	if e.config != nil {
		e.askRouter(ctx)
	}
}

// checkConfig has nothing left to do: the configuration was read first.
func checkConfig(context.Context, *examination) {}

func place(p config.Problem) string {
	at := p.File
	if p.Line > 0 {
		at = fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	if p.Key != "" {
		at += ": " + p.Key
	}
	return at
}

// split takes the remedy off a text: "what is wrong; what to do".
func split(text string) (cause, remedy string) {
	cause, remedy, _ = strings.Cut(text, "; ")
	return cause, remedy
}

func (e *examination) add(f Finding) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.findings = append(e.findings, f)
}

// system reports whether the configuration is that of the service.
func (e *examination) system() bool { return config.File(e.File) == config.File("") }
