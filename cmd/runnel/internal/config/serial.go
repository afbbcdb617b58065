package config

import (
	"cmp"
	"slices"
	"strings"

	"runnel/edge/auth"
	"runnel/edge/wamp"
	"runnel/transport/serial/lines"
)

// Serial is a serial line.
type Serial struct {
	Place        Place
	Name         string   `toml:"name"`
	Profile      string   `toml:"profile"` // supplies the keys that the table does not set
	Device       Path     `toml:"device"`
	USB          *USB     `toml:"usb"`
	Baud         int      `toml:"baud"`
	DataBits     int      `toml:"data_bits"`
	StopBits     int      `toml:"stop_bits"`
	Parity       string   `toml:"parity"`
	Mode         string   `toml:"mode"`    // wamp (default), lines, modbus
	Framing      string   `toml:"framing"` // hdlc (default), none; of modbus: rtu, tcp
	Realm        string   `toml:"realm"`
	Authid       string   `toml:"authid"`
	Role         string   `toml:"role"`
	Settle       Duration `toml:"settle"` // from opening the port to the first byte
	DTR          string   `toml:"dtr"`    // keep (default), on, off
	RTS          string   `toml:"rts"`
	Flow         string   `toml:"flow"` // none (default), rtscts, xonxoff
	RS485        *RS485   `toml:"rs485"`
	MaxMessage   Size     `toml:"max_message"`
	PingInterval Duration `toml:"ping_interval"`

	// framing = "hdlc"
	Frame      int      `toml:"frame"`
	Window     int      `toml:"window"`
	Retries    int      `toml:"retries"`
	T1         Duration `toml:"t1"`
	T2         Duration `toml:"t2"`
	T3         Duration `toml:"t3"`
	HalfDuplex bool     `toml:"half_duplex"`

	// mode = "lines"
	Format    string    `toml:"format"`    // json, csv, nmea, regexp, keyvalue, fixed, obis, binary, sml
	Columns   []string  `toml:"columns"`   // of csv and fixed
	Widths    []int     `toml:"widths"`    // of fixed
	Separator string    `toml:"separator"` // of csv and keyvalue
	Assign    string    `toml:"assign"`    // of keyvalue
	Pattern   string    `toml:"pattern"`   // of regexp
	Patterns  []string  `toml:"patterns"`  // of regexp
	Sentences []string  `toml:"sentences"` // of nmea
	Checksum  string    `toml:"checksum"`  // of nmea: required (default), optional
	Decimal   string    `toml:"decimal"`   // point (default), comma
	Encoding  string    `toml:"encoding"`  // utf-8 (default), latin1
	MaxLine   Size      `toml:"max_line"`
	Time      string    `toml:"time"`
	Zone      string    `toml:"time_zone"` // of times that the device sends without one
	Telegram  *Telegram `toml:"telegram"`
	Ask       []Ask     `toml:"ask"`
	Publish   string    `toml:"publish"`      // always (default), change
	Refresh   Duration  `toml:"refresh"`      // with publish = change
	Aggregate string    `toml:"aggregate"`    // of numbers within every: last (default), mean, min, max
	Unsafe    string    `toml:"topic_unsafe"` // values that a topic cannot have: drop (default), replace
	Unlisted  string    `toml:"unlisted"`     // values without a field: keep (default), drop
	Fields    []Field   `toml:"field"`
	Write     string    `toml:"write"` // procedure that writes a line to the device
	Newline   *string   `toml:"newline"`

	// mode = "modbus"
	Timeout Duration   `toml:"timeout"` // for an answer
	Gap     Duration   `toml:"gap"`     // between frames
	Slaves  []int      `toml:"slave"`   // default for registers
	Modbus  []Register `toml:"modbus"`

	// mode = "lines" or "modbus"
	Topic       string   `toml:"topic"`
	Every       Duration `toml:"every"` // of modbus: default for registers; of lines: one event of a topic in this time
	Retain      bool     `toml:"retain"`
	ExpectEvery Duration `toml:"expect_every"` // longest time between two valid readings

	unread bool // the profile cannot be read
}

// RS485 lets the kernel switch a UART between sending and receiving.
type RS485 struct {
	Place       Place
	Inverted    bool     `toml:"inverted"` // RTS is off while sending
	ReceiveOwn  bool     `toml:"receive_own"`
	Terminate   bool     `toml:"terminate"`
	DelayBefore Duration `toml:"delay_before"`
	DelayBehind Duration `toml:"delay_behind"`
}

// Field is a value in the lines of a device.
type Field struct {
	Place    Place
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
	Place     Place
	VID       string `toml:"vid"`
	PID       string `toml:"pid"`
	Serial    string `toml:"serial"`
	Interface string `toml:"interface"`
}

func (k checker) serial(s *Serial) {
	k.required(s.Place, "name", s.Name)
	s.Realm = k.realmName(s.Place, "realm", s.Realm)
	if s.unread {
		return // most keys are missing
	}
	k.device(s)
	k.choice(s.Place, "mode", s.Mode, "wamp", "lines", "modbus")
	s.Mode = cmp.Or(s.Mode, "wamp")
	k.modeKeys(s)
	switch s.Mode {
	case "wamp":
		k.framed(s)
	case "lines":
		k.lines(s)
	case "modbus":
		k.modbus(s)
	}
	if err := s.LineConfig().Validate(); err != nil && s.USB == nil && s.Device != "" {
		k.add(s.Place, "", "%v", err)
	}
	k.choice(s.Place, "parity", s.Parity, "none", "odd", "even", "mark", "space")
	k.choice(s.Place, "dtr", s.DTR, "keep", "on", "off")
	k.choice(s.Place, "rts", s.RTS, "keep", "on", "off")
	k.choice(s.Place, "flow", s.Flow, "none", "rtscts", "xonxoff")
	if s.Flow == "xonxoff" && (s.Mode != "lines" || s.Format == "binary" || s.Format == "sml") {
		k.add(s.Place, "flow", "\"xonxoff\" is for devices that print text: XON and XOFF may be data of others; use \"rtscts\" or leave it out")
	}
	k.identity(s.Place, s.Realm, s.Role, s.Authid)
	if s.Mode != "wamp" {
		k.sensorRights(s)
	}
	if s.Role != "" && s.Authid == "" {
		s.Authid = s.Name
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

// modeKeys reports keys that belong to other modes.
func (k checker) modeKeys(s *Serial) {
	only := func(here bool, what string, keys []string) {
		for _, key := range keys {
			if !here && s.Place.Has(key) {
				k.add(s.Place, key, "only for %s; remove it", what)
			}
		}
	}
	only(s.Mode == "wamp", `mode = "wamp"`, wampKeys)
	only(s.Mode != "lines", `mode = "wamp" and "modbus"`, []string{"framing"})
	only(s.Mode == "wamp" && s.Framing != "none", `framing = "hdlc"`, linkKeys)
	only(s.Mode == "lines", `mode = "lines"`, linesKeys)
	only(s.Mode == "modbus", `mode = "modbus"`, busKeys)
	only(s.Mode == "lines" || s.Mode == "modbus", `mode = "lines" and "modbus"`, bothKeys)
}

func (k checker) framed(s *Serial) {
	s.Framing = cmp.Or(s.Framing, "hdlc")
	k.choice(s.Place, "framing", s.Framing, "hdlc", "none")
	k.ping(s.Place, &s.PingInterval)
}

func (k checker) lines(s *Serial) {
	problems := len(*k.Problems)
	k.required(s.Place, "format", s.Format)
	k.choice(s.Place, "format", s.Format, lines.FormatNames...)
	for _, of := range formatKeys {
		if !slices.Contains(of.formats, s.Format) && s.Place.Has(of.key) {
			k.add(s.Place, of.key, "only for format = %s; remove it", OneOf(of.formats...))
		}
	}
	k.choice(s.Place, "checksum", s.Checksum, "required", "optional")
	k.choice(s.Place, "decimal", s.Decimal, "point", "comma")
	k.required(s.Place, "topic", s.Topic)
	k.choice(s.Place, "encoding", s.Encoding, "utf-8", "latin1")
	if s.Newline != nil && !slices.Contains([]string{"", "\r", "\n", "\r\n"}, *s.Newline) {
		k.add(s.Place, "newline", "%q is not a line ending; use %s", *s.Newline, OneOf("\n", "\r", "\r\n", ""))
	}
	if s.Write != "" {
		k.uri(s.Place, "write", s.Write, wamp.Exact)
	}
	k.choice(s.Place, "unlisted", s.Unlisted, "keep", "drop")
	k.choice(s.Place, "publish", s.Publish, "always", "change")
	k.choice(s.Place, "aggregate", s.Aggregate, lines.AggregateNames...)
	k.choice(s.Place, "topic_unsafe", s.Unsafe, "drop", "replace")
	k.telegram(s)
	k.ask(s)
	for i := range s.Fields {
		k.field(s, &s.Fields[i])
	}
	if len(*k.Problems) == problems && s.Topic != "" && slices.Contains(lines.FormatNames, s.Format) {
		if _, err := lines.New(s.LinesConfig()); err != nil {
			k.add(s.Place, "", "%v%s", err, s.ofProfile())
		}
	}
}

// sensorRights warns about topics and procedures of a line that its role does not allow. It skips topics with placeholders.
func (k checker) sensorRights(s *Serial) {
	i := slices.IndexFunc(k.c.Realms, func(r Realm) bool { return r.Name == s.Realm })
	if i < 0 {
		return
	}
	name := cmp.Or(s.Role, k.c.Realms[i].Anonymous)
	at := slices.IndexFunc(k.c.Realms[i].Roles, func(r Role) bool { return r.Name == name })
	if at < 0 || k.c.Realms[i].Roles[at].Authorizer != "" {
		return
	}
	role := k.c.Realms[i].Roles[at].Compile()
	may := func(place Place, key string, action auth.Action, verb, uri string) {
		if allowed, _ := role.Decide(action, []byte(uri)); !allowed && uri != "" && !strings.Contains(uri, "{") {
			k.c.Warn(place, key, "the role %q may not %s %s; add a permission for it", name, verb, uri)
		}
	}
	may(s.Place, "topic", auth.Publish, "publish", s.Topic)
	may(s.Place, "write", auth.Register, "register", s.Write)
	for _, r := range s.Modbus {
		may(r.Place, "topic", auth.Publish, "publish", r.Topic)
		may(r.Place, "write", auth.Register, "register", r.Write)
	}
}

func (k checker) device(s *Serial) {
	if s.Device == "" && s.USB == nil {
		k.add(s.Place, "device", "missing; write device = \"/dev/tty...\", or usb = { vid = \"...\", pid = \"...\" } (runnel serial ls shows both)")
		return
	}
	if s.Device != "" && s.USB != nil {
		k.add(s.Place, "usb", "device is set as well; write one of the two")
	}
	if s.USB == nil {
		return
	}
	k.hex(s.USB.Place, "vid", s.USB.VID)
	k.hex(s.USB.Place, "pid", s.USB.PID)
}

func (k checker) hex(at Place, key, id string) {
	if len(id) != 4 || strings.Trim(strings.ToLower(id), "0123456789abcdef") != "" {
		k.add(at, key, "%q is not a USB id; write four hexadecimal digits, like \"2341\"", id)
	}
}
