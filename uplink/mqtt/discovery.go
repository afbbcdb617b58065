package mqtt

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"runnel/edge/atomicfile"
	"runnel/transport/mqtt/naming"
)

// The link announces the values of serial lines to Home Assistant, which makes a sensor of each. An announcement is a retained
// message at PREFIX/sensor/NODE_LINE/VALUE/config. An empty message there removes the sensor. The topics announced are recorded on
// disk, so that a later link can remove the values of removed lines.

// Device is a serial line whose values are announced.
type Device struct {
	Line, Model string
	Expire      int // seconds after which a value is out of date; 0: never
	Values      []Value
}

// Value is a value that a device publishes.
type Value struct {
	Name string // unique within the line
	Unit string
	URI  string // of its events
	Key  string // its keyword argument
	Only string // the keyword argument "name" of its events, if several values share the URI; "": it is the only one
}

// Discovery lists the values that the link announces. The zero value announces nothing.
type Discovery struct {
	Prefix  string // of the topics; Home Assistant listens at "homeassistant"
	Node    string
	Devices []Device
}

// sensor is the message for a value.
type sensor struct {
	Name              string    `json:"name"`
	UniqueID          string    `json:"unique_id"`
	StateTopic        string    `json:"state_topic"`
	ValueTemplate     string    `json:"value_template"`
	Unit              string    `json:"unit_of_measurement,omitempty"`
	DeviceClass       string    `json:"device_class,omitempty"`
	StateClass        string    `json:"state_class,omitempty"`
	ExpireAfter       int       `json:"expire_after,omitempty"`
	AvailabilityTopic string    `json:"availability_topic"`
	Device            equipment `json:"device"`
}

// equipment is the device in the message for a value.
type equipment struct {
	Identifiers []string `json:"identifiers"`
	Name        string   `json:"name"`
	Model       string   `json:"model,omitempty"`
	SWVersion   string   `json:"sw_version,omitempty"`
}

// classes are Home Assistant's classes of the values with a unit.
var classes = map[string]string{
	"V": "voltage", "mV": "voltage", "A": "current", "mA": "current", "W": "power", "kW": "power", "VA": "apparent_power",
	"Wh": "energy", "kWh": "energy", "MWh": "energy", "Hz": "frequency", "°C": "temperature", "°F": "temperature", "K": "temperature",
	"hPa": "pressure", "mbar": "pressure", "bar": "pressure", "Pa": "pressure", "kPa": "pressure", "dB": "sound_pressure", "lx": "illuminance",
	"m/s": "wind_speed", "kg": "weight", "g": "weight",
}

// sensorUnits are units that Home Assistant writes in another way.
var sensorUnits = map[string]string{"C": "°C", "degC": "°C", "F": "°F", "ug/m3": "µg/m³", "m3": "m³"}

// announcement is a message for Home Assistant.
type announcement struct {
	topic   string
	payload []byte
}

// announcements returns the messages for the values that the link exports.
func (l *Link) announcements() (list []announcement, err error) {
	d := &l.opts.Discovery
	for _, device := range d.Devices {
		id := safeID(d.Node) + "_" + safeID(device.Line)
		for _, v := range device.Values {
			topic, template, ok := l.whereIs(v)
			if !ok {
				continue
			}
			m := sensor{
				Name: v.Name, UniqueID: "runnel_" + id + "_" + safeID(v.Name), StateTopic: topic, ValueTemplate: template,
				Unit: v.Unit, ExpireAfter: device.Expire, AvailabilityTopic: l.opts.StateTopic,
				Device: equipment{[]string{"runnel_" + id}, d.Node + " " + device.Line, device.Model, l.opts.Agent},
			}
			m.classify()
			payload, err := json.Marshal(m)
			if err != nil {
				return nil, err
			}
			list = append(list, announcement{d.Prefix + "/sensor/" + id + "/" + safeID(v.Name) + "/config", payload})
		}
	}
	if len(list) > maxAnnouncements {
		return nil, fmt.Errorf("discovery: %d values, more than %d; export fewer lines", len(list), maxAnnouncements)
	}
	return list, nil
}

// classify sets unit and class of a value with a unit.
func (m *sensor) classify() {
	if m.Unit == "" {
		return
	}
	if unit, ok := sensorUnits[m.Unit]; ok {
		m.Unit = unit
	}
	m.DeviceClass, m.StateClass = classes[m.Unit], "measurement"
	if m.DeviceClass == "energy" {
		m.StateClass = "total_increasing"
	}
}

// whereIs returns the topic of a value's messages and the template that finds it there. ok is false if no rule exports it as JSON.
func (l *Link) whereIs(v Value) (topic, template string, ok bool) {
	r, ok := l.exported.Best(v.URI)
	if !ok {
		return "", "", false
	}
	remote, way, err := l.route(r, v.URI)
	if err == nil && way.topic == "" {
		way.topic, err = naming.Topic(remote)
	}
	arguments := "value_json"
	switch f := l.form(way.form); {
	case err != nil:
		return "", "", false
	case f.Format == JSON:
		arguments += ".kwargs"
	case f.Format != Flat:
		return "", "", false
	case f.ValuesKey != "":
		arguments += "[" + quoted(f.ValuesKey) + "]"
	}
	template = arguments + "[" + quoted(v.Key) + "]"
	if v.Only != "" {
		template += " if " + arguments + "['name'] == " + quoted(v.Only) + " else this.state"
	}
	return way.topic, "{{ " + template + " }}", true
}

// quoted returns text as a string literal of Home Assistant's templates.
func quoted(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
}

// safeID returns an id of letters, digits, "_" and "-". Ids of different texts differ.
func safeID(text string) string {
	id := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '_'
	}, text)
	if id == text {
		return id
	}
	h := fnv.New32a()
	h.Write([]byte(text))
	return fmt.Sprintf("%s_%08x", id, h.Sum32())
}

// announced publishes the announcements, and removes those of values that no longer exist.
type announced struct {
	file string // the record; "": none
	log  *slog.Logger
	list []announcement // static after New

	// Owned by the link's Run, and in a connection by its reader.
	old  map[string]bool   // topics to be removed
	gone map[uint16]string // topics whose removal is in progress, by packet id
}

const (
	maxAnnouncements = 256

	// idAnnouncement is the first packet id of announcements. Those of other messages are below.
	idAnnouncement = idUnsubscribe + 1

	announcedFile = "discovery.json"
)

// take reads the record of the previous link.
func (a *announced) take() {
	a.old, a.gone = map[string]bool{}, map[uint16]string{}
	if a.file == "" {
		return
	}
	text, err := os.ReadFile(a.file)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var topics []string
	if err == nil {
		err = json.Unmarshal(text, &topics)
	}
	if err != nil {
		a.log.Warn("cannot read the record of announced values; the broker keeps values of removed lines", "file", a.file, "err", err)
	}
	for _, topic := range topics {
		if naming.Check(topic, "+#") == nil && strings.HasSuffix(topic, "/config") {
			a.old[topic] = true
		}
	}
	for _, m := range a.list {
		delete(a.old, m.topic)
	}
}

// keep writes the record: the topics that are announced, and those that are still to be removed.
func (a *announced) keep() {
	if a.file == "" {
		return
	}
	topics := slices.Sorted(maps.Keys(a.old))
	for _, m := range a.list {
		topics = append(topics, m.topic)
	}
	var err error
	if len(topics) == 0 {
		if err = os.Remove(a.file); errors.Is(err, fs.ErrNotExist) {
			return
		}
	} else {
		var text []byte
		if text, err = json.Marshal(topics); err == nil {
			err = os.MkdirAll(filepath.Dir(a.file), 0o700)
		}
		if err == nil {
			err = atomicfile.Write(a.file, text, 0o600)
		}
	}
	if err != nil {
		a.log.Warn("cannot record the announced values", "file", a.file, "err", err)
	}
}

// announce publishes the announcements and removals at the beginning of a connection.
func (s *session) announce() {
	a, qos := s.link.announced, min(s.link.opts.QoS, 1)
	if len(a.list)+len(a.old) == 0 {
		return
	}
	a.keep() // before the first message: a crash must not lose a topic
	clear(a.gone)
	id := uint16(idAnnouncement)
	publish := func(topic string, payload []byte) {
		p := newPublish(topic, payload, qos)
		p.Retain, p.ID = true, id
		s.sendOwn(p)
	}
	for _, topic := range slices.Sorted(maps.Keys(a.old)) {
		if len(a.gone) == maxAnnouncements {
			break // the rest follows in the next connection
		}
		a.gone[id] = topic
		publish(topic, nil)
		id++
	}
	for _, m := range a.list {
		publish(m.topic, m.payload)
		id++
	}
}

// acknowledged records that the broker has a message.
func (a *announced) acknowledged(id uint16) {
	topic, ok := a.gone[id]
	if !ok {
		return
	}
	delete(a.gone, id)
	delete(a.old, topic)
	if len(a.gone) == 0 {
		a.keep()
	}
}
