// Package doctor checks an installation for common faults and prints a remedy for each. It changes nothing on this
// machine or at the centre.
//
//	doctor.go        the order of the checks, and their findings
//	fallback.go      what is checked if the configuration is invalid
//	clock.go, disk.go, user.go, network.go   the machine
//	ports.go, listeners.go, certificates.go  the machine's parts that the configuration uses
//	uplinks.go, rights.go, permit.go   each link, including its permissions at the centre
//	router.go        the alarms of the running router
package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"runnel/cmd/runnel/internal/account"
	"runnel/cmd/runnel/internal/config"
	"runnel/transport/serial"
)

// Levels of findings. An installation with notes only is healthy.
const (
	Error   = "error"
	Warning = "warning"
	Note    = "note"
)

// Finding is a fault or a possible fault.
type Finding struct {
	Check  string `json:"check"` // name of the check, such as "clock"
	Level  string `json:"level"`
	Object string `json:"object,omitempty"` // the line, listener or file concerned
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"` // what to do, or a command
}

// Options of an examination.
type Options struct {
	File  string // the configuration; "": /etc/runnel/runnel.toml
	Check config.UplinkCheck
	Agent string // this program's agent string in HELLO at a centre

	// Status returns runnel.status, as JSON, of the router that runs with a configuration. ErrNotRunning means that there is none.
	Status func(context.Context, *config.Config) ([]byte, error)
}

// ErrNotRunning means that no router runs with the configuration.
var ErrNotRunning = errors.New("no router runs")

// Report is the result of an examination.
type Report struct {
	Healthy  bool      `json:"healthy"`
	Config   string    `json:"config"`
	Checks   []string  `json:"checks"` // names of all checks
	Findings []Finding `json:"findings"`
}

// examination is the state that the checks share. Findings are added under mu; the rest does not change while checks run.
type examination struct {
	Options
	config   *config.Config // that the checks cover; nil if there is none
	fellBack bool           // the files are invalid: config is another one, or a part of them
	running  *status        // of the running router; nil if there is none or it does not answer
	ports    []serial.Info
	user     account.Account

	mu       sync.Mutex
	findings []Finding
}

// checkTime bounds one check.
const checkTime = 15 * time.Second

// checks run concurrently and are reported in this order.
var checks = []struct {
	name  string
	check func(context.Context, *examination)
}{
	{"config", checkConfig}, {"router", checkRouter}, {"user", checkUser}, {"clock", checkClock}, {"disk", checkDisk}, {"serial", checkPorts},
	{"listener", checkListeners}, {"certificate", checkCertificates}, {"network", checkNames}, {"uplink", checkUplinks},
}

// Examine runs all checks. It returns an error only if ctx is done first.
func Examine(ctx context.Context, o Options) (*Report, error) {
	e := &examination{Options: o, user: account.OfRouter()}
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
	sort.SliceStable(e.findings, func(i, j int) bool {
		return slices.Index(r.Checks, e.findings[i].Check) < slices.Index(r.Checks, e.findings[j].Check)
	})
	r.Findings = append(r.Findings, e.findings...)
	r.Healthy = !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Level != Note })
	return r, nil
}

// prepare reads the state that several checks need, and reports the problems of the configuration.
func (e *examination) prepare(ctx context.Context) {
	e.ports, _ = serial.List() // if ports can't be listed, their paths are checked
	c, err := config.Load(e.File, e.Check)
	var problems config.Problems
	switch {
	case errors.As(err, &problems):
		for _, p := range problems {
			text, remedy := split(p.Text)
			e.add(Finding{"config", Error, place(p), text, cmp.Or(remedy, "correct it there; docs/config.md describes every key")})
		}
		e.fallBack(ctx, c, problems)
	case err != nil:
		text, remedy := split(err.Error())
		if errors.Is(err, fs.ErrPermission) {
			remedy = "sudo runnel doctor" + e.argument()
		} else if errors.Is(err, fs.ErrNotExist) {
			remedy = "write a configuration: sudo runnel init" + e.argument()
		}
		e.add(Finding{"config", Error, config.File(e.File), text, cmp.Or(remedy, "correct the cause; sudo runnel doctor tries again")})
	default:
		e.config = c
		e.askRouter(ctx)
	}
	if c == nil {
		return
	}
	for _, w := range c.Warnings {
		text, remedy := split(w.Text)
		e.add(Finding{"config", Warning, place(w), text, remedy})
	}
}

// checkConfig does nothing: prepare has checked the configuration.
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

// split separates a text into cause and remedy: "cause; remedy".
func split(text string) (cause, remedy string) {
	cause, remedy, _ = strings.Cut(text, "; ")
	return cause, remedy
}

func (e *examination) add(f Finding) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.findings = append(e.findings, f)
}

// system reports whether the configuration is the one of the service.
func (e *examination) system() bool { return config.File(e.File) == config.File("") }
