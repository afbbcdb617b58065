package report

import (
	"fmt"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/transport/guest/device"
	"runnel/transport/serial"
	"runnel/transport/serial/lapb"
	"runnel/transport/serial/lines"
	"runnel/transport/serial/modbus"
)

// Serial is a serial line. Its counters start with the line, and continue when the port is opened again.
type Serial struct {
	Name    string    `json:"name"`
	Realm   string    `json:"realm"`
	Mode    string    `json:"mode"`
	State   string    `json:"state"` // a serial.Phase
	Since   time.Time `json:"since"` // of the state
	Device  string    `json:"device,omitempty"`
	Error   string    `json:"error,omitempty"` // the last one; it stays after recovery
	ErrorAt time.Time `json:"error_at,omitzero"`
	Opens   uint64    `json:"opens"`
	Losses  uint64    `json:"losses"`
	Peers   uint64    `json:"peers"`
	In      uint64    `json:"in"`               // bytes
	Out     uint64    `json:"out"`              // bytes
	Skipped uint64    `json:"skipped"`          // bytes received that belong to no peer
	Alarms  []string  `json:"alarms,omitempty"` // what needs an operator's attention

	UART   *UART   `json:"uart,omitempty"`   // if the driver counts errors
	Link   *Link   `json:"link,omitempty"`   // with framing hdlc
	Lines  *Lines  `json:"lines,omitempty"`  // with mode lines
	Modbus *Bus    `json:"modbus,omitempty"` // with mode modbus
	Sensor *Sensor `json:"sensor,omitempty"` // with modes lines and modbus
}

// UART counts the errors that the driver reports.
type UART struct {
	Framing uint64 `json:"framing_errors"`
	Parity  uint64 `json:"parity_errors"`
	Overrun uint64 `json:"overruns"`
	Breaks  uint64 `json:"breaks"`
}

// Link is the reliable link over a serial line.
type Link struct {
	Up          bool      `json:"up"`
	Since       time.Time `json:"since,omitzero"`
	Error       string    `json:"error,omitempty"` // why the last connection ended
	Peer        string    `json:"peer,omitempty"`  // the name that the device gives itself
	BootID      uint32    `json:"boot_id,omitempty"`
	Frame       int       `json:"frame,omitempty"`  // the longest frame that the device accepts, in octets
	Window      int       `json:"window,omitempty"` // frames that the device accepts without an acknowledgement
	BaudSuspect bool      `json:"baud_suspect"`     // octets arrive, but no frame
	FramesIn    uint64    `json:"frames_in"`
	FramesOut   uint64    `json:"frames_out"`
	Resent      uint64    `json:"resent"`
	Rejects     uint64    `json:"rejects"` // frames that the device found missing
	Timeouts    uint64    `json:"timeouts"`
	Connections uint64    `json:"connections"`
	Resets      uint64    `json:"resets"`
	Ignored     uint64    `json:"ignored"`
	FCS         uint64    `json:"fcs_errors"`
	Framing     uint64    `json:"framing_errors"` // frames too long, too short or aborted
	Logs        uint64    `json:"logs"`           // log lines of the device
}

// Lines counts the lines of a device that prints text.
type Lines struct {
	Good        uint64    `json:"good"`
	Bad         uint64    `json:"bad"` // NotUTF8 and Long are among them
	NotUTF8     uint64    `json:"not_utf8"`
	Long        uint64    `json:"long"`
	Check       uint64    `json:"check_errors"` // telegrams with a wrong check; they are among Bad
	Ignored     uint64    `json:"ignored"`      // lines that the configuration excludes
	Partial     uint64    `json:"partial"`      // lines that began before the port was opened
	BadFields   uint64    `json:"bad_fields"`   // fields left out of good lines
	BadField    string    `json:"bad_field,omitempty"`
	BadInARow   uint64    `json:"bad_in_a_row"`
	LastGood    time.Time `json:"last_good,omitzero"`
	LastBad     time.Time `json:"last_bad,omitzero"`
	BadLine     string    `json:"bad_line,omitempty"` // the last bad line
	BadReason   string    `json:"bad_reason,omitempty"`
	BaudSuspect bool      `json:"baud_suspect"` // text arrives, but no good line
	Asked       uint64    `json:"asked"`        // requests sent
	Unanswered  uint64    `json:"unanswered"`   // requests without an answer
}

// Bus is a Modbus line.
type Bus struct {
	Echo   bool    `json:"echo"` // the adapter returns what it sends
	Slaves []Slave `json:"slaves"`
}

// Slave is a slave on a Modbus line.
type Slave struct {
	Slave            int       `json:"slave"` // its address
	Silent           bool      `json:"silent"`
	Since            time.Time `json:"since,omitzero"` // of Silent
	Requests         uint64    `json:"requests"`
	Answers          uint64    `json:"answers"`
	Exceptions       uint64    `json:"exceptions"`
	Timeouts         uint64    `json:"timeouts"`
	Broken           uint64    `json:"broken"`                      // answers with a wrong CRC
	Late             uint64    `json:"late"`                        // answers that took longer than the timeout
	Unexpected       uint64    `json:"strays"`                      // frames that answer no request
	UnexpectedLately bool      `json:"straying"`                    // stray frames came within the last minute
	Slowest          float64   `json:"slowest,omitempty"`           // milliseconds, while the slave needs longer than the timeout
	Suggest          string    `json:"suggested_timeout,omitempty"` // the timeout that the slave needs
	LastAnswer       time.Time `json:"last_answer,omitzero"`
	Error            string    `json:"error,omitempty"`
}

// Sensor is the session of a device that speaks no WAMP.
type Sensor struct {
	Published  uint64    `json:"published"`         // readings that the router accepted
	Refused    uint64    `json:"refused"`           // readings that the router rejected
	Dropped    uint64    `json:"dropped"`           // readings without a session to publish them
	Refusal    string    `json:"refusal,omitempty"` // the topic that is rejected now, and the reason
	Procedures []string  `json:"refused_procedures,omitempty"`
	Topic      string    `json:"topic,omitempty"`    // of the last reading that the router accepted
	LastGood   time.Time `json:"last_good,omitzero"` // the last good reading
	Silent     bool      `json:"silent"`             // no good reading within expect_every
}

// NewSerial reports on a serial line. guest is nil for a line whose device speaks WAMP.
func NewSerial(c config.Serial, s serial.State, guest *device.State) Serial {
	r := Serial{
		Name: c.Name, Realm: c.Realm, Mode: c.Mode, State: string(s.Phase), Since: s.Since, Device: s.Device, Error: errorText(s.Err), ErrorAt: s.ErrAt,
		Opens: s.Opens, Losses: s.Losses, Peers: s.Peers, In: s.In, Out: s.Out, Skipped: s.Skipped,
		UART: (*UART)(s.UART), Link: newLink(s.Link),
	}
	if guest != nil {
		r.Lines, r.Modbus, r.Sensor = newLines(guest.Lines), newBus(guest.Modbus), newSensor(guest)
	}
	r.Alarms = r.alarms(guest)
	return r
}

// alarms lists the faults that do not recover without an operator.
func (s *Serial) alarms(guest *device.State) (list []string) {
	if s.Link != nil && s.Link.BaudSuspect || s.Lines != nil && s.Lines.BaudSuspect {
		list = append(list, "the received bytes are unreadable; check the baud rate")
	}
	if s.Modbus != nil {
		for _, slave := range s.Modbus.Slaves {
			list = append(list, slave.alarms()...)
		}
	}
	if guest == nil {
		return list
	}
	list = append(list, guest.Alarms...)
	if guest.Refusal != "" {
		list = append(list, "may not publish "+guest.Refusal)
	}
	for _, refused := range guest.RefusedProcedures {
		list = append(list, "may not offer "+refused)
	}
	return list
}

func (s *Slave) alarms() (list []string) {
	if s.Silent {
		list = append(list, fmt.Sprintf("slave %d does not answer", s.Slave))
	}
	if s.Suggest != "" {
		list = append(list, fmt.Sprintf("slave %d answers later than the timeout; set timeout = %q", s.Slave, s.Suggest))
	}
	if s.UnexpectedLately {
		list = append(list, fmt.Sprintf("slave %d sends answers twice, or without a request; it is polled less often", s.Slave))
	}
	return list
}

func newLink(s *lapb.Status) *Link {
	if s == nil {
		return nil
	}
	return &Link{
		Up: s.Up, Since: s.Since, Error: errorText(s.Err), BaudSuspect: s.BaudSuspect,
		Peer: s.Peer.Name, BootID: s.Peer.BootID, Frame: s.Peer.Info, Window: s.Peer.Window,
		FramesIn: s.Link.FramesIn, FramesOut: s.Link.FramesOut, Resent: s.Link.Resent, Rejects: s.Link.RejectsIn, Timeouts: s.Link.Timeouts,
		Connections: s.Link.Connections, Resets: s.Link.Resets, Ignored: s.Link.Ignored, Logs: s.Link.Logs,
		FCS: s.Framing.FCS, Framing: s.Framing.Aborted + s.Framing.Long + s.Framing.Short,
	}
}

func newLines(s *lines.State) *Lines {
	if s == nil {
		return nil
	}
	return &Lines{
		Good: s.Good, Bad: s.Bad, NotUTF8: s.NotUTF8, Long: s.Long, Check: s.Check, Ignored: s.Ignored, LastGood: s.LastGood, LastBad: s.LastBad,
		Partial: s.Partial, BadFields: s.BadFields, BadField: s.BadField, BadInARow: s.BadInARow,
		BadLine: s.BadLine, BadReason: s.BadReason, BaudSuspect: s.BaudSuspect, Asked: s.Asked, Unanswered: s.Unanswered,
	}
}

func newBus(s *modbus.State) *Bus {
	if s == nil {
		return nil
	}
	b := &Bus{Echo: s.Echo}
	for _, s := range s.Slaves {
		slave := Slave{
			Slave: int(s.Slave), Silent: s.Silent, Since: s.Since, Requests: s.Requests, Answers: s.Answers, Exceptions: s.Exceptions,
			Timeouts: s.Timeouts, Broken: s.Broken, LastAnswer: s.LastAnswer, Error: errorText(s.Err),
			Late: s.Late, Unexpected: s.Unexpected, UnexpectedLately: s.UnexpectedLately, Slowest: float64(s.Slowest) / float64(time.Millisecond),
		}
		if s.Suggest > 0 {
			slave.Suggest = s.Suggest.String()
		}
		b.Slaves = append(b.Slaves, slave)
	}
	return b
}

func newSensor(s *device.State) *Sensor {
	return &Sensor{
		Published: s.Published, Refused: s.Refused, Dropped: s.Dropped, Refusal: s.Refusal,
		Procedures: s.RefusedProcedures, Topic: s.Topic, LastGood: s.LastGood, Silent: s.Silent,
	}
}
