package main

import (
	"fmt"
	"io"
	"time"
)

type serialReport struct {
	Name    string    `json:"name"`
	Realm   string    `json:"realm"`
	State   string    `json:"state"`
	Since   time.Time `json:"since"`
	Device  string    `json:"device,omitempty"`
	Error   string    `json:"error,omitempty"`
	Opens   uint64    `json:"opens"`
	Losses  uint64    `json:"losses"`
	Peers   uint64    `json:"peers"`
	In      uint64    `json:"in"`  // octets
	Out     uint64    `json:"out"` // octets
	Skipped uint64    `json:"skipped"`
}

func (l *line) report() serialReport {
	s := l.State()
	return serialReport{
		Name: l.config.Name, Realm: l.config.Realm, State: string(s.Phase), Since: s.Since, Device: s.Device, Error: errorText(s.Err),
		Opens: s.Opens, Losses: s.Losses, Peers: s.Peers, In: s.In, Out: s.Out, Skipped: s.Skipped,
	}
}

func (r *report) printSerial(w io.Writer) {
	if len(r.Serial) > 0 {
		fmt.Fprintln(w, "\nSERIAL LINE\tSTATE\tFOR\tDEVICE\tIN\tOUT\tLOST\tLAST ERROR")
	}
	for _, s := range r.Serial {
		fmt.Fprintf(w, "%s\t%s\t%v\t%s\t%d\t%d\t%d\t%s\n", printable(s.Name), s.State, since(s.Since), dash(s.Device), s.In, s.Out, s.Losses, dash(harmless(s.Error)))
	}
}
