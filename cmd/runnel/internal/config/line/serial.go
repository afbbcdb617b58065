// Package line has the [[serial]] table of a configuration: a serial line, the data that its device sends, and device
// profiles.
package line

import (
	"cmp"
	"slices"
	"strings"

	"runnel/cmd/runnel/internal/config/check"
	"runnel/cmd/runnel/internal/config/position"
	"runnel/cmd/runnel/internal/config/values"
	"runnel/edge/wamp"
	"runnel/transport/serial/lines"
)

// Serial is a [[serial]] table.
type Serial struct {
	Place        position.Place
	Name         string          `toml:"name"`
	Profile      string          `toml:"profile"` // supplies the keys that the table does not set
	Device       values.Path     `toml:"device"`
	USB          *USB            `toml:"usb"`
	Baud         int             `toml:"baud"`
	DataBits     int             `toml:"data_bits"`
	StopBits     int             `toml:"stop_bits"`
	Parity       string          `toml:"parity"`
	Mode         string          `toml:"mode"`    // wamp (default), lines, modbus
	Framing      string          `toml:"framing"` // hdlc (default), none; of modbus: rtu, tcp
	Realm        string          `toml:"realm"`
	Authid       string          `toml:"authid"`
	Role         string          `toml:"role"`
	Settle       values.Duration `toml:"settle"` // from opening the port to the first byte
	DTR          string          `toml:"dtr"`    // keep (default), on, off
	RTS          string          `toml:"rts"`
	Flow         string          `toml:"flow"` // none (default), rtscts, xonxoff
	RS485        *RS485          `toml:"rs485"`
	MaxMessage   values.Size     `toml:"max_message"`
	PingInterval values.Duration `toml:"ping_interval"`

	// framing = "hdlc"
	Frame      int             `toml:"frame"`
	Window     int             `toml:"window"`
	Retries    int             `toml:"retries"`
	T1         values.Duration `toml:"t1"`
	T2         values.Duration `toml:"t2"`
	T3         values.Duration `toml:"t3"`
	HalfDuplex bool            `toml:"half_duplex"`

	// mode = "lines"
	Format    string          `toml:"format"`    // json, csv, nmea, regexp, keyvalue, fixed, obis, binary, sml
	Columns   []string        `toml:"columns"`   // of csv and fixed
	Widths    []int           `toml:"widths"`    // of fixed
	Separator string          `toml:"separator"` // of csv and keyvalue
	Assign    string          `toml:"assign"`    // of keyvalue
	Pattern   string          `toml:"pattern"`   // of regexp
	Patterns  []string        `toml:"patterns"`  // of regexp
	Sentences []string        `toml:"sentences"` // of nmea
	Checksum  string          `toml:"checksum"`  // of nmea: required (default), optional
	Decimal   string          `toml:"decimal"`   // point (default), comma
	Encoding  string          `toml:"encoding"`  // utf-8 (default), latin1
	MaxLine   values.Size     `toml:"max_line"`
	Time      string          `toml:"time"`
	Zone      string          `toml:"time_zone"` // of times that the device sends without one
	Telegram  *Telegram       `toml:"telegram"`
	Ask       []Ask           `toml:"ask"`
	Publish   string          `toml:"publish"`      // always (default), change
	Refresh   values.Duration `toml:"refresh"`      // with publish = change
	Aggregate string          `toml:"aggregate"`    // of the numbers within an interval: last (default), mean, min, max
	Unsafe    string          `toml:"topic_unsafe"` // values that a topic cannot have: drop (default), replace
	Unlisted  string          `toml:"unlisted"`     // values without a field: keep (default), drop
	Fields    []Field         `toml:"field"`
	Write     string          `toml:"write"` // procedure that writes a line to the device
	Newline   *string         `toml:"newline"`

	// mode = "modbus"
	Timeout values.Duration `toml:"timeout"` // for an answer
	Gap     values.Duration `toml:"gap"`     // between frames
	Slaves  []int           `toml:"slave"`   // default for registers
	Modbus  []Register      `toml:"modbus"`

	// mode = "lines" or "modbus"
	Topic       string          `toml:"topic"`
	Every       values.Duration `toml:"every"` // of modbus: default for registers; of lines: one event of a topic in this time
	Retain      bool            `toml:"retain"`
	ExpectEvery values.Duration `toml:"expect_every"` // longest time between two valid readings

	Unread bool // the profile cannot be read, so most keys are missing
}

// RS485 lets the kernel switch a UART between sending and receiving.
type RS485 struct {
	Place       position.Place
	Inverted    bool            `toml:"inverted"` // RTS is off while sending
	ReceiveOwn  bool            `toml:"receive_own"`
	Terminate   bool            `toml:"terminate"`
	DelayBefore values.Duration `toml:"delay_before"`
	DelayBehind values.Duration `toml:"delay_behind"`
}

// Field is a value in the lines of a device.
type Field struct {
	Place    position.Place
	Name     string  `toml:"name"`
	As       string  `toml:"as"`
	Type     string  `toml:"type"` // number, text, boolean, hex, bits; of binary: uint8, int16 and so on
	Scale    float64 `toml:"scale"`
	Offset   float64 `toml:"offset"`
	Unit     string  `toml:"unit"`
	Deadband float64 `toml:"deadband"` // smaller differences are not a change

	// format = "binary"
	At     int    `toml:"at"`     // position in the telegram, from 0
	Length int    `toml:"length"` // of bcd and text, in bytes
	Order  string `toml:"order"`  // big (default), little
	Bit    *int   `toml:"bit"`    // the value is this bit
}

// USB identifies a USB serial port independently of its device name.
type USB struct {
	Place     position.Place
	VID       string `toml:"vid"`
	PID       string `toml:"pid"`
	Serial    string `toml:"serial"`
	Interface string `toml:"interface"`
}

// Check checks the keys that need no other table, and fills in their defaults.
func (s *Serial) Check(k check.Keys) {
	s.checkDevice(k)
	k.Choice(s.Place, "mode", s.Mode, "wamp", "lines", "modbus")
	s.Mode = cmp.Or(s.Mode, "wamp")
	s.checkMode(k)
	switch s.Mode {
	case "wamp":
		s.checkFraming(k)
	case "lines":
		s.checkLines(k)
	case "modbus":
		s.checkModbus(k)
	}
	if err := s.LineConfig().Validate(); err != nil && s.USB == nil && s.Device != "" {
		k.Add(s.Place, "", "%v", err)
	}
	k.Choice(s.Place, "parity", s.Parity, "none", "odd", "even", "mark", "space")
	k.Choice(s.Place, "dtr", s.DTR, "keep", "on", "off")
	k.Choice(s.Place, "rts", s.RTS, "keep", "on", "off")
	k.Choice(s.Place, "flow", s.Flow, "none", "rtscts", "xonxoff")
	if s.Flow == "xonxoff" && (s.Mode != "lines" || s.Format == "binary" || s.Format == "sml") {
		k.Add(s.Place, "flow", "\"xonxoff\" is for devices that print text: XON and XOFF may be data of others; use \"rtscts\" or leave it out")
	}
}

// The keys that belong to one mode or framing.
var (
	wampKeys  = []string{"max_message", "ping_interval"}
	linkKeys  = []string{"frame", "window", "retries", "t1", "t2", "t3", "half_duplex"}
	linesKeys = []string{"format", "columns", "widths", "separator", "assign", "pattern", "patterns", "sentences", "checksum", "decimal", "encoding", "max_line", "time", "time_zone", "telegram", "ask", "unlisted", "publish", "refresh", "aggregate", "topic_unsafe", "field", "write", "newline"}
	busKeys   = []string{"timeout", "gap", "slave", "modbus"}
	bothKeys  = []string{"topic", "every", "retain", "expect_every"}
)

// formatKeys are the keys that belong to some formats.
var formatKeys = []struct {
	key     string
	formats []string
}{
	{"columns", []string{"csv", "fixed"}}, {"widths", []string{"fixed"}}, {"separator", []string{"csv", "keyvalue"}}, {"assign", []string{"keyvalue"}},
	{"pattern", []string{"regexp"}}, {"patterns", []string{"regexp"}}, {"sentences", []string{"nmea"}}, {"checksum", []string{"nmea"}},
	{"decimal", []string{"csv", "regexp", "keyvalue", "fixed"}}, {"unlisted", []string{"json", "nmea", "keyvalue", "obis", "sml"}},
}

// checkMode reports keys that belong to other modes.
func (s *Serial) checkMode(k check.Keys) {
	for _, only := range []struct {
		here bool
		mode string
		keys []string
	}{
		{s.Mode == "wamp", `mode = "wamp"`, wampKeys},
		{s.Mode != "lines", `mode = "wamp" and "modbus"`, []string{"framing"}},
		{s.Mode == "wamp" && s.Framing != "none", `framing = "hdlc"`, linkKeys},
		{s.Mode == "lines", `mode = "lines"`, linesKeys},
		{s.Mode == "modbus", `mode = "modbus"`, busKeys},
		{s.Mode == "lines" || s.Mode == "modbus", `mode = "lines" and "modbus"`, bothKeys},
	} {
		for _, key := range only.keys {
			if !only.here && s.Place.Has(key) {
				k.Add(s.Place, key, "only for %s; remove it", only.mode)
			}
		}
	}
}

func (s *Serial) checkFraming(k check.Keys) {
	s.Framing = cmp.Or(s.Framing, "hdlc")
	k.Choice(s.Place, "framing", s.Framing, "hdlc", "none")
	k.Ping(s.Place, &s.PingInterval)
}

func (s *Serial) checkLines(k check.Keys) {
	problems := len(*k.Problems)
	k.Required(s.Place, "format", s.Format)
	k.Choice(s.Place, "format", s.Format, lines.FormatNames...)
	for _, of := range formatKeys {
		if !slices.Contains(of.formats, s.Format) && s.Place.Has(of.key) {
			k.Add(s.Place, of.key, "only for format = %s; remove it", values.OneOf(of.formats...))
		}
	}
	k.Choice(s.Place, "checksum", s.Checksum, "required", "optional")
	k.Choice(s.Place, "decimal", s.Decimal, "point", "comma")
	k.Required(s.Place, "topic", s.Topic)
	k.Choice(s.Place, "encoding", s.Encoding, "utf-8", "latin1")
	if s.Newline != nil && !slices.Contains([]string{"", "\r", "\n", "\r\n"}, *s.Newline) {
		k.Add(s.Place, "newline", "%q is not a line ending; use %s", *s.Newline, values.OneOf("\n", "\r", "\r\n", ""))
	}
	if s.Write != "" {
		k.URI(s.Place, "write", s.Write, wamp.Exact)
	}
	k.Choice(s.Place, "unlisted", s.Unlisted, "keep", "drop")
	k.Choice(s.Place, "publish", s.Publish, "always", "change")
	k.Choice(s.Place, "aggregate", s.Aggregate, lines.AggregateNames...)
	k.Choice(s.Place, "topic_unsafe", s.Unsafe, "drop", "replace")
	s.checkTelegram(k)
	s.checkAsk(k)
	for i := range s.Fields {
		s.checkField(k, &s.Fields[i])
	}
	if len(*k.Problems) == problems && s.Topic != "" && slices.Contains(lines.FormatNames, s.Format) {
		if _, err := lines.New(s.LinesConfig()); err != nil {
			k.Add(s.Place, "", "%v%s", err, s.ofProfile())
		}
	}
}

func (s *Serial) checkDevice(k check.Keys) {
	if s.Device == "" && s.USB == nil {
		k.Add(s.Place, "device", "missing; write device = \"/dev/tty...\", or usb = { vid = \"...\", pid = \"...\" } (runnel serial ls shows both)")
		return
	}
	if s.Device != "" && s.USB != nil {
		k.Add(s.Place, "usb", "device is set as well; write one of the two")
	}
	if s.USB == nil {
		return
	}
	checkHex(k, s.USB.Place, "vid", s.USB.VID)
	checkHex(k, s.USB.Place, "pid", s.USB.PID)
}

func checkHex(k check.Keys, at position.Place, key, id string) {
	if len(id) != 4 || strings.Trim(strings.ToLower(id), "0123456789abcdef") != "" {
		k.Add(at, key, "%q is not a USB id; write four hexadecimal digits, like \"2341\"", id)
	}
}
