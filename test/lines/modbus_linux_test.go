package lines

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport/serial/modbus"
	"runnel/transport/serial/pty"
)

// slave is a simulated Modbus slave with holding registers.
type slave struct {
	mu    sync.Mutex
	words map[uint16]uint16
}

func (s *slave) set(address, word uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.words[address] = word
}

// answer answers requests with one address and one number, which are exactly those of eight octets.
func (s *slave) answer(request []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	address, number := binary.BigEndian.Uint16(request[2:]), binary.BigEndian.Uint16(request[4:])
	switch request[1] {
	case 3:
		answer := []byte{request[0], 3, byte(2 * number)}
		for i := range number {
			answer = binary.BigEndian.AppendUint16(answer, s.words[address+i])
		}
		return seal(answer)
	case 6:
		s.words[address] = number
		return request
	}
	return seal([]byte{request[0], request[1] | 0x80, 1})
}

func seal(frame []byte) []byte { return binary.LittleEndian.AppendUint16(frame, modbus.CRC(frame)) }

// bus runs the slaves on a device until it is unplugged.
func bus(d *pty.Device, slaves map[byte]*slave) {
	var buf []byte
	for {
		octets := make([]byte, 256)
		n, err := d.Read(octets)
		if err != nil {
			return
		}
		buf = append(buf, octets[:n]...)
		for len(buf) >= 8 {
			if s := slaves[buf[0]]; s != nil {
				d.Write(s.answer(buf[:8]))
			}
			buf = buf[8:]
		}
	}
}

// TestModbus polls two slaves on a bus, one of which does not answer.
func TestModbus(t *testing.T) {
	link := filepath.Join(t.TempDir(), "bus")
	device := plug(t, link)
	boiler := &slave{words: map[uint16]uint16{100: 0xfff6, 200: 0x41ac}} // -1.0 and 21.5
	go bus(device, map[byte]*slave{17: boiler})
	r := start(t, fmt.Sprintf(`[[serial]]
name = "bus"
device = %q
mode = "modbus"
baud = 19200
role = "sensor"
timeout = "2s"
every = "50ms"
topic = "com.example.{slave}.{name}"
[[serial.modbus]]
name = "silent"
slave = 18
table = "input"
address = 0
[[serial.modbus]]
name = "outside"
slave = 17
table = "holding"
address = 100
type = "int16"
scale = 0.1
unit = "C"
write = "com.example.outside.set"
[[serial.modbus]]
name = "water"
slave = 17
table = "holding"
address = 200
type = "float32"
[[serial.modbus]]
name = "pump"
slave = 17
table = "coil"
address = 1
publish = "never"
write = "com.example.pump.set"
`, link))
	events := r.hear(t)
	boiler.set(100, 0xffec)
	seen := map[string]any{}
	kit.Eventually(t, "both values", func() bool {
		e := next(t, events)
		seen[e.topic] = e.kwargs["value"]
		return seen["com.example.17.outside"] == -2.0 && seen["com.example.17.water"] == 21.5
	})
	boiler.set(200, 0x41b0)
	if e := next(t, events); e.kwargs["value"] != 22.0 || e.kwargs["name"] != "water" || e.kwargs["slave"] != int64(17) {
		t.Errorf("%v", e)
	}
	set := func(procedure string, value any) error {
		_, err := r.Call(t.Context(), procedure, client.CallOptions{}, client.Args(value))
		return err
	}
	kit.Must(t, set("com.example.outside.set", 3.5))
	if e := next(t, events); e.kwargs["value"] != 3.5 || e.kwargs["unit"] != "C" {
		t.Errorf("%v", e)
	}
	if err := set("com.example.outside.set", "warm"); !errors.Is(err, wamp.InvalidArgument) {
		t.Errorf("text: %v", err)
	}
	if err := set("com.example.pump.set", true); err == nil || !strings.Contains(err.Error(), "runnel.error.modbus: exception 1: illegal function") {
		t.Errorf("a slave that refuses: %v", err)
	}
	kit.Eventually(t, "the silent slave in the status", func() bool {
		s := r.state(t, "bus")
		return s.Opens == 1 && len(s.Modbus.Slaves) == 2 && !s.Modbus.Slaves[0].Silent && s.Modbus.Slaves[1].Silent
	})
	s := r.state(t, "bus").Modbus.Slaves
	if s[0].Timeouts > s[0].Answers || s[1].Answers != 0 || s[1].Timeouts < 2 || s[0].Exceptions != 1 {
		t.Errorf("%+v", s)
	}
	const silent = "polling it less often\" line=bus slave=18"
	kit.Eventually(t, "the log says that a slave is silent", func() bool { return strings.Contains(r.Stderr.Text(), silent) })
	if n := strings.Count(r.Stderr.Text(), silent); n != 1 {
		t.Errorf("said %d times that a slave is silent", n)
	}
	kit.Must(t, device.Close())
	kit.Eventually(t, "the bus is lost", func() bool { return errors.Is(set("com.example.outside.set", 1.0), wamp.Unavailable) })
	again := plug(t, link)
	go bus(again, map[byte]*slave{17: boiler})
	r.opened(t, "bus", 2)
	boiler.set(100, 10)
	for e := next(t, events); e.kwargs["value"] != 1.0; e = next(t, events) {
		time.Sleep(time.Millisecond)
	}
}

// TestModbusSlowSlave polls a slave that always takes longer than the default timeout. Its values are late but correct, and
// the status suggests a timeout.
func TestModbusSlowSlave(t *testing.T) {
	link := filepath.Join(t.TempDir(), "bus")
	device := plug(t, link)
	slow := &slave{words: map[uint16]uint16{}}
	for address := range uint16(4) {
		slow.words[address] = 1000 + address
	}
	go func() {
		var buf []byte
		for {
			octets := make([]byte, 256)
			n, err := device.Read(octets)
			if err != nil {
				return
			}
			buf = append(buf, octets[:n]...)
			for ; len(buf) >= 8; buf = buf[8:] {
				time.Sleep(650 * time.Millisecond)
				device.Write(slow.answer(buf[:8]))
			}
		}
	}()
	config := fmt.Sprintf("[[serial]]\nname = \"bus\"\ndevice = %q\nmode = \"modbus\"\nrole = \"sensor\"\nevery = \"100ms\"\ntopic = \"com.example.{name}\"\n", link)
	for address := range 4 {
		config += fmt.Sprintf("[[serial.modbus]]\nname = \"r%d\"\nslave = 1\ntable = \"holding\"\naddress = %d\npublish = \"always\"\n", address, address)
	}
	r := start(t, config)
	events := r.hear(t)
	seen := map[string]int{}
	for seen["com.example.r0"] < 2 || seen["com.example.r1"] < 2 || seen["com.example.r2"] < 2 || seen["com.example.r3"] < 2 {
		e := next(t, events)
		if want := fmt.Sprintf("com.example.r%d", e.kwargs["value"].(int64)-1000); e.topic != want {
			t.Fatalf("%v was published as %s", e.kwargs["value"], e.topic)
		}
		seen[e.topic]++
	}
	kit.Eventually(t, "an alarm that suggests a timeout", func() bool {
		stdout, _ := run(t, 0, "status", "--url", r.url)
		return strings.Contains(stdout, `slave 1 answers later than the timeout; set timeout = "`)
	})
	kit.Eventually(t, "the log says so, too", func() bool { return strings.Contains(r.Stderr.Text(), "Modbus slave answers later than the timeout") })
}
