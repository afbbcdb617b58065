package lines

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"runnel/transport/serial/reading"
)

// repeated is a device that sends a text many times.
type repeated struct {
	text string
	left int
}

func (r *repeated) Read(b []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	r.left--
	return copy(b, r.text), nil
}

func benchmark(b *testing.B, c Config, text string) {
	c.Topic = "com.example.x"
	p, err := New(c)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	NewSensor(p, nil).Run(&repeated{text, b.N}, func(reading.Event) {})
}

func BenchmarkCSV(b *testing.B) {
	benchmark(b, Config{Format: CSV, Columns: []string{"a", "b", "c"}}, strings.Repeat("21.5,40,3.25\r\n", 50))
}

func BenchmarkJSON(b *testing.B) {
	benchmark(b, Config{}, strings.Repeat("{\"t\": 21.5, \"h\": 40}\n", 50))
}

func BenchmarkNMEA(b *testing.B) {
	benchmark(b, Config{Format: NMEA}, strings.Repeat(sum("GPRMC,120000,A,4807.038,N,01131.000,E,022.4,084.4,221126,999.9,E,A")+"\r\n", 20))
}

func BenchmarkOBIS(b *testing.B) {
	telegram := "/ISk5\\2M\r\n\r\n1-0:1.8.0(000671.578*kWh)\r\n1-0:1.7.0(00.244*kW)\r\n1-0:2.7.0(00.000*kW)\r\n0-0:96.14.0(0002)\r\n1-0:32.7.0(0230.0*V)\r\n!"
	check := Check{Name: "crc16-arc", Hex: true}
	telegram += strings.ToUpper(hexOf(check, telegram)) + "\r\n"
	benchmark(b, Config{Format: OBIS, Telegram: &Telegram{Begin: []byte("/"), End: []byte("\n!"), Trailer: 4, Check: check}}, telegram)
}

func BenchmarkBinary(b *testing.B) {
	frame := strings.Repeat("\xaa\xc0\xd4\x04\x3a\x0a\xa1\x60\x1d\xab", 70)
	benchmark(b, Config{Format: Bytes, Fields: []Field{{Name: "a", Binary: Uint16, At: 2, Little: true, Scale: reading.Scale{Factor: 0.1}}, {Name: "b", Binary: Uint16, At: 4}},
		Telegram: &Telegram{Begin: []byte("\xaa\xc0"), Length: 10, End: []byte("\xab"), Check: Check{Name: "sum8", Skip: 2}}}, frame)
}

// hexOf returns a check's value of text in hexadecimal digits.
func hexOf(c Check, text string) string {
	return fmt.Sprintf("%0*x", c.size(), checks[c.Name].compute([]byte(text)))
}
