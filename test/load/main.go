// Command load gives the same work to several brokers in turn and prints the cost for each of them: CPU time and
// memory, and also rate and latency. It compares the cost of a message here with the cost elsewhere.
//
// Every run is closed-loop: a bounded number of messages is under way. A broker that drops messages stalls its run, and
// the table reports the loss; it never looks fast. The generator writes its frames by hand, for WAMP, NATS and MQTT alike,
// so that it costs the same whatever the broker. All traffic stays on the loopback interface.
//
// Run it with `make perf`. Figures compare within one run only: these machines are shared, and their speed drifts.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// options are the settings of the command line.
type options struct {
	runs    int
	only    string
	brokers []string
	asJSON  bool
	scale   float64
	curves  bool
}

func main() {
	var o options
	var programs programs
	var names string
	flag.IntVar(&o.runs, "n", 3, "runs of each row; the table shows their medians")
	flag.StringVar(&o.only, "only", "", "run only the scenarios whose name contains this text")
	flag.StringVar(&names, "brokers", "", "comma-separated brokers to run; by default all that are installed")
	flag.BoolVar(&o.asJSON, "json", false, "print the rows as JSON")
	flag.Float64Var(&o.scale, "scale", 1, "factor for the number of messages, sessions and table entries (0.001 to 100)")
	flag.BoolVar(&o.curves, "curves", false, "run rows of growing tables, sessions and gateways instead")
	flag.StringVar(&programs.runnel, "runnel", "bin/runnel", "path of the runnel binary")
	flag.StringVar(&programs.relay, "relay", "", "path of the limit relay, built from limit/relay.c")
	flag.StringVar(&programs.nats, "nats", "", "path of another nats-server, to be compared as nats-other")
	flag.Parse()
	if names != "" {
		o.brokers = strings.Split(names, ",")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, programs); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// run measures all chosen rows and prints the table. A row that fails is shown as failed and makes the result an error.
func run(ctx context.Context, o options, p programs) error {
	if o.runs < 1 || o.scale < 0.001 || o.scale > 100 {
		return errors.New("-n must be at least 1, and -scale between 0.001 and 100")
	}
	brokers, err := choose(p.brokers(), o.brokers)
	if err != nil {
		return err
	}
	t, list := &table{}, scenarios
	if o.curves {
		list = curves()
	}
	for range o.runs {
		for _, s := range list {
			if !strings.Contains(s.name, o.only) {
				continue
			}
			for _, b := range brokers {
				if !s.fits(b.protocol) {
					continue
				}
				if ctx.Err() != nil {
					return ctx.Err()
				}
				f, err := measure(b, s, o.scale)
				if err != nil {
					fmt.Fprintf(os.Stderr, "load: %s on %s: %v\n", s.name, b.name, err)
				}
				t.add(s.name, b.name, f, err)
			}
		}
	}
	if o.asJSON {
		if err := json.NewEncoder(os.Stdout).Encode(t.medians()); err != nil {
			return err
		}
	} else {
		t.print(os.Stdout)
	}
	return t.failed()
}

// measure starts a fresh broker, puts the work of s to it and stops it again.
func measure(b broker, s scenario, scale float64) (figures, error) {
	proc, err := b.start(s)
	if err != nil {
		return figures{}, err
	}
	defer proc.stop()
	protocol := b.protocol
	if s.devices {
		protocol = mqttProtocol
	}
	local := ""
	if s.relay && b.protocol == wampProtocol {
		local = filepath.Join(proc.dir, relaySocket)
	}
	return s.run(target{
		local: local, qos: s.qos, protocol: protocol, serializer: s.serializer(), addr: proc.addr, process: proc.process,
		webSocket: s.webSocket, secure: s.secure, match: s.match, size: s.work.size, kept: s.kept,
	}, s.work.times(scale))
}

// patience is how long a run waits for the next message before it reports the rest as lost.
const patience = 20 * time.Second
