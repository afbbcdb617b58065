package modbus

import (
	"math"
	"strings"
	"testing"
	"time"

	"runnel/transport/serial/reading"
)

func topic(t testing.TB, text string) reading.Template {
	t.Helper()
	parsed, err := reading.ParseTemplate(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestValidate(t *testing.T) {
	good := Point{Name: "x", Slave: 1, Every: time.Second, Topic: topic(t, "com.{name}")}
	for _, c := range []struct {
		change func(*Point)
		want   string
	}{
		{func(p *Point) {}, ""},
		{func(p *Point) { p.Slave = 0 }, "slave 0"},
		{func(p *Point) { p.Slave, p.WriteOnly = 0, true }, ""},
		{func(p *Point) { p.Slave = 254 }, ""},
		{func(p *Point) { p.Bit = 17 }, "bit: want 0 to 15"},
		{func(p *Point) { p.Bit, p.Type = 1, Int32 }, "bit: want 0 to 15"},
		{func(p *Point) { p.Type, p.Deadband = Text, 1 }, "not for text"},
		{func(p *Point) { p.Slave = 255 }, "slave 255"},
		{func(p *Point) { p.Count = 126 }, "at most 125 registers"},
		{func(p *Point) { p.Count, p.Type = math.MaxInt/2+1, Float32 }, "at most 125 registers"},
		{func(p *Point) { p.Count, p.Type = 63, Float32 }, "at most 125 registers"},
		{func(p *Point) { p.Table, p.Count = Coil, 2001 }, "or 2000 bits"},
		{func(p *Point) { p.Address, p.Type = 0xffff, Uint32 }, "beyond the last address, 65535"},
		{func(p *Point) { p.Table, p.Deadband = Coil, 1 }, "not for bits"},
		{func(p *Point) { p.Every = 0 }, "every 0s"},
		{func(p *Point) { p.Every, p.WriteOnly = 0, true }, ""},
		{func(p *Point) { p.Topic = topic(t, "com.{unit}") }, "unknown placeholder {unit}"},
		{func(p *Point) { p.Table = 9 }, "out of range"},
	} {
		p := good
		c.change(&p)
		err := (Config{Points: []Point{p}}).Validate()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", p, err, c.want)
		}
	}
	for _, c := range []Config{{}, {Points: []Point{good}, Timeout: time.Hour}, {Points: []Point{good}, Gap: time.Hour}, {Points: make([]Point, 5000)}} {
		if c.Validate() == nil {
			t.Errorf("%d points, %v, %v were accepted", len(c.Points), c.Timeout, c.Gap)
		}
	}
}

func TestFrameGap(t *testing.T) {
	for baud, want := range map[int]time.Duration{9600: 4010416 * time.Nanosecond, 19200: 2005208 * time.Nanosecond, 115200: 1750 * time.Microsecond} {
		if got := (Config{Baud: baud}).withDefaults().Gap; got.Round(time.Microsecond) != want.Round(time.Microsecond) {
			t.Errorf("%d baud: %v, want %v", baud, got, want)
		}
	}
}
