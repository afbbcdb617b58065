package main

import (
	"fmt"
	"io"
	"time"

	"runnel/transport/serial"
	"runnel/transport/serial/lapb"
	"runnel/transport/serial/lines"
	"runnel/transport/serial/modbus"
)

type serialReport struct {
	Name    string    `json:"name"`
	Realm   string    `json:"realm"`
	Mode    string    `json:"mode"`
	State   string    `json:"state"`
	Since   time.Time `json:"since"`
	Device  string    `json:"device,omitempty"`
	Error   string    `json:"error,omitempty"` // the last one; it stays after recovery
	ErrorAt time.Time `json:"error_at,omitzero"`
	Opens   uint64    `json:"opens"`
	Losses  uint64    `json:"losses"`
	Peers   uint64    `json:"peers"`
	In      uint64    `json:"in"`  // octets
	Out     uint64    `json:"out"` // octets
	Skipped uint64    `json:"skipped"`
	Alarms  []string  `json:"alarms,omitempty"` // what somebody should look after

	UART   *uartReport   `json:"uart,omitempty"`   // where the driver counts errors
	Link   *linkReport   `json:"link,omitempty"`   // with framing hdlc
	Lines  *linesReport  `json:"lines,omitempty"`  // with mode lines
	Modbus *busReport    `json:"modbus,omitempty"` // with mode modbus
	Sensor *sensorReport `json:"sensor,omitempty"` // with modes lines and modbus
}

type uartReport struct {
	Framing uint64 `json:"framing_errors"`
	Parity  uint64 `json:"parity_errors"`
	Overrun uint64 `json:"overruns"`
	Breaks  uint64 `json:"breaks"`
}

type linkReport struct {
	Up          bool      `json:"up"`
	Since       time.Time `json:"since,omitzero"`
	Error       string    `json:"error,omitempty"` // why the last connection ended
	Peer        string    `json:"peer,omitempty"`  // what the device calls itself
	BootID      uint32    `json:"boot_id,omitempty"`
	Frame       int       `json:"frame,omitempty"`  // what the device can take
	Window      int       `json:"window,omitempty"` // likewise
	BaudSuspect bool      `json:"baud_suspect"`
	FramesIn    uint64    `json:"frames_in"`
	FramesOut   uint64    `json:"frames_out"`
	Resent      uint64    `json:"resent"`
	Rejects     uint64    `json:"rejects"` // frames that the device found missing
	Timeouts    uint64    `json:"timeouts"`
	Connections uint64    `json:"connections"`
	Resets      uint64    `json:"resets"`
	Ignored     uint64    `json:"ignored"`
	FCS         uint64    `json:"fcs_errors"`
	Framing     uint64    `json:"framing_errors"` // frames too long, too short or given up
	Logs        uint64    `json:"logs"`
}

type linesReport struct {
	Good        uint64    `json:"good"`
	Bad         uint64    `json:"bad"`
	NotUTF8     uint64    `json:"not_utf8"`
	Long        uint64    `json:"long"`
	Ignored     uint64    `json:"ignored"`
	Partial     uint64    `json:"partial"`    // lines that began before the port was opened
	BadFields   uint64    `json:"bad_fields"` // fields of good lines that were left out
	BadField    string    `json:"bad_field,omitempty"`
	BadInARow   uint64    `json:"bad_in_a_row"`
	LastGood    time.Time `json:"last_good,omitzero"`
	LastBad     time.Time `json:"last_bad,omitzero"`
	BadLine     string    `json:"bad_line,omitempty"`
	BadReason   string    `json:"bad_reason,omitempty"`
	BaudSuspect bool      `json:"baud_suspect"`
}

type busReport struct {
	Echo   bool          `json:"echo"` // what is sent comes back
	Slaves []slaveReport `json:"slaves"`
}

type slaveReport struct {
	Slave      int       `json:"slave"`
	Silent     bool      `json:"silent"`
	Since      time.Time `json:"since,omitzero"`
	Requests   uint64    `json:"requests"`
	Answers    uint64    `json:"answers"`
	Exceptions uint64    `json:"exceptions"`
	Timeouts   uint64    `json:"timeouts"`
	Broken     uint64    `json:"broken"`
	Late       uint64    `json:"late"`                        // answers that took longer than the timeout
	Strays     uint64    `json:"strays"`                      // frames that nobody asked for
	Straying   bool      `json:"straying"`                    // some of them came in the last minute
	Slowest    float64   `json:"slowest,omitempty"`           // milliseconds, while the slave needs longer than the timeout
	Suggest    string    `json:"suggested_timeout,omitempty"` // the timeout that it needs
	LastAnswer time.Time `json:"last_answer,omitzero"`
	Error      string    `json:"error,omitempty"`
}

type sensorReport struct {
	voice
	Procedures []string  `json:"refused_procedures,omitempty"`
	LastGood   time.Time `json:"last_good,omitzero"` // the last good reading
	Silent     bool      `json:"silent"`             // none came within expect_every

	watched []string // alarms
}

func (l *line) report() serialReport {
	s := l.State()
	r := serialReport{
		Name: l.config.Name, Realm: l.config.Realm, Mode: l.config.Mode, State: string(s.Phase), Since: s.Since, Device: s.Device, Error: errorText(s.Err), ErrorAt: s.ErrAt,
		Opens: s.Opens, Losses: s.Losses, Peers: s.Peers, In: s.In, Out: s.Out, Skipped: s.Skipped,
		UART: (*uartReport)(s.UART), Link: newLinkReport(s.Link),
	}
	if l.lines != nil {
		r.Lines = newLinesReport(l.lines.State())
	}
	if l.modbus != nil {
		r.Modbus = newBusReport(l.modbus.State())
	}
	if l.sensor != nil {
		r.Sensor = &sensorReport{}
		r.Sensor.voice, r.Sensor.Procedures = l.sensor.report()
		r.Sensor.LastGood = l.sensor.watch.heard().good
		r.Sensor.watched, r.Sensor.Silent = l.sensor.watch.alarms()
	}
	r.Alarms = r.alarms()
	return r
}

// alarms lists what will not mend by itself.
func (s *serialReport) alarms() (list []string) {
	if s.Link != nil && s.Link.BaudSuspect || s.Lines != nil && s.Lines.BaudSuspect {
		list = append(list, "perhaps the baud rate is another: octets arrive that make no sense")
	}
	if s.Modbus != nil {
		for _, slave := range s.Modbus.Slaves {
			if slave.Silent {
				list = append(list, fmt.Sprintf("slave %d does not answer", slave.Slave))
			}
			if slave.Suggest != "" {
				list = append(list, fmt.Sprintf("slave %d answers later than the timeout; set timeout = %q", slave.Slave, slave.Suggest))
			}
			if slave.Straying {
				list = append(list, fmt.Sprintf("slave %d sends answers twice, or without a request; it is asked less often", slave.Slave))
			}
		}
	}
	if s.Sensor == nil {
		return list
	}
	list = append(list, s.Sensor.watched...)
	if s.Sensor.Refusal != "" {
		list = append(list, "may not publish "+s.Sensor.Refusal)
	}
	for _, refused := range s.Sensor.Procedures {
		list = append(list, "may not offer "+refused)
	}
	return list
}

func newLinkReport(s *lapb.Status) *linkReport {
	if s == nil {
		return nil
	}
	return &linkReport{
		Up: s.Up, Since: s.Since, Error: errorText(s.Err), BaudSuspect: s.BaudSuspect,
		Peer: s.Peer.Name, BootID: s.Peer.BootID, Frame: s.Peer.Info, Window: s.Peer.Window,
		FramesIn: s.Link.FramesIn, FramesOut: s.Link.FramesOut, Resent: s.Link.Resent, Rejects: s.Link.RejectsIn, Timeouts: s.Link.Timeouts,
		Connections: s.Link.Connections, Resets: s.Link.Resets, Ignored: s.Link.Ignored, Logs: s.Link.Logs,
		FCS: s.Framing.FCS, Framing: s.Framing.Aborted + s.Framing.Long + s.Framing.Short,
	}
}

func newLinesReport(s lines.State) *linesReport {
	return &linesReport{
		Good: s.Good, Bad: s.Bad, NotUTF8: s.NotUTF8, Long: s.Long, Ignored: s.Ignored, LastGood: s.LastGood, LastBad: s.LastBad,
		Partial: s.Partial, BadFields: s.BadFields, BadField: s.BadField, BadInARow: s.BadInARow,
		BadLine: s.BadLine, BadReason: s.BadReason, BaudSuspect: s.BaudSuspect,
	}
}

func newBusReport(s modbus.State) *busReport {
	r := &busReport{Echo: s.Echo}
	for _, s := range s.Slaves {
		r.Slaves = append(r.Slaves, slaveReport{
			Slave: int(s.Slave), Silent: s.Silent, Since: s.Since, Requests: s.Requests, Answers: s.Answers, Exceptions: s.Exceptions,
			Timeouts: s.Timeouts, Broken: s.Broken, LastAnswer: s.LastAnswer, Error: errorText(s.Err),
			Late: s.Late, Strays: s.Strays, Straying: s.Straying, Slowest: float64(s.Slowest) / float64(time.Millisecond),
		})
		if s.Suggest > 0 {
			r.Slaves[len(r.Slaves)-1].Suggest = s.Suggest.String()
		}
	}
	return r
}

func (r *report) printSerial(w io.Writer) {
	if len(r.Serial) > 0 {
		fmt.Fprintln(w, "\nSERIAL LINE\tSTATE\tFOR\tIN\tOUT\tLOST\tDEVICE")
	}
	for _, s := range r.Serial {
		fmt.Fprintf(w, "%s\t%s\t%v\t%s\t%s\t%d\t%s\n", printable(s.Name), printable(s.State), since(s.Since), octets(s.In), octets(s.Out), s.Losses, dash(harmless(s.Device)))
	}
	for _, s := range r.Serial {
		s.printMore(w)
	}
}

// printMore writes what there is to say of some lines only. What a device says of itself is quoted: it may be anything.
func (s *serialReport) printMore(w io.Writer) {
	failing := s.Error != "" && s.State != string(serial.Listening) && s.State != string(serial.Serving)
	if s.UART != nil || s.Link != nil || s.Sensor != nil || failing {
		fmt.Fprintf(w, "%s:\n", printable(s.Name))
	}
	if failing {
		fmt.Fprintf(w, "  %s\n", lastError(s.Error, s.ErrorAt))
	}
	if u := s.UART; u != nil && *u != (uartReport{}) {
		fmt.Fprintf(w, "  uart: %s, %s, %s, %s\n", counted(u.Framing, "framing error"), counted(u.Parity, "parity error"), counted(u.Overrun, "overrun"), counted(u.Breaks, "break"))
	}
	if s.Link != nil {
		s.Link.print(w)
	}
	if s.Lines != nil {
		s.Lines.print(w)
	}
	if s.Modbus != nil {
		s.Modbus.print(w)
	}
	if s.Sensor != nil {
		last := "never"
		if !s.Sensor.LastGood.IsZero() {
			last = since(s.Sensor.LastGood).String() + " ago"
		}
		fmt.Fprintf(w, "  %d published, %d refused, %d dropped; last good reading: %s\n", s.Sensor.Published, s.Sensor.Refused, s.Sensor.Dropped, last)
	}
	for _, alarm := range s.Alarms {
		fmt.Fprintf(w, "  %s\n", harmless(alarm))
	}
}

func (l *linkReport) print(w io.Writer) {
	state := "down"
	if l.Up {
		state = "up"
	}
	fmt.Fprintf(w, "  link %s", state)
	if !l.Since.IsZero() {
		fmt.Fprintf(w, " for %v", since(l.Since))
	}
	if l.Peer != "" {
		fmt.Fprintf(w, ", device %q", l.Peer)
	}
	fmt.Fprintf(w, ": %s in, %d out, %d resent, %s, %s, %s, %s\n",
		counted(l.FramesIn, "frame"), l.FramesOut, l.Resent, counted(l.FCS, "FCS error"), counted(l.Framing, "framing error"), counted(l.Connections, "connection"), counted(l.Resets, "reset"))
	if l.Error != "" && !l.Up {
		fmt.Fprintf(w, "  the last connection ended: %s\n", harmless(l.Error))
	}
}

func (l *linesReport) print(w io.Writer) {
	fmt.Fprintf(w, "  %s, %d bad, %d not wanted, %d partial\n", counted(l.Good, "good line"), l.Bad, l.Ignored, l.Partial)
	if l.BadFields > 0 {
		fmt.Fprintf(w, "  %s left out, the last one: %s\n", counted(l.BadFields, "field"), harmless(l.BadField))
	}
	if l.Bad > 0 {
		fmt.Fprintf(w, "  the last bad one, %v ago: %s\n  %q\n", since(l.LastBad), harmless(l.BadReason), l.BadLine)
	}
}

func (b *busReport) print(w io.Writer) {
	for _, s := range b.Slaves {
		fmt.Fprintf(w, "  slave %d: %s, %s, %s, %s, %d broken, %d late, %d stray", s.Slave, counted(s.Requests, "request"), counted(s.Answers, "answer"), counted(s.Exceptions, "exception"), counted(s.Timeouts, "timeout"), s.Broken, s.Late, s.Strays)
		if s.Silent {
			fmt.Fprintf(w, "; silent for %v", since(s.Since))
		}
		if s.Error != "" {
			fmt.Fprintf(w, "; last error: %s", harmless(s.Error))
		}
		fmt.Fprintln(w)
	}
}
