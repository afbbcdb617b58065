package sparkplug

import (
	"testing"

	host "runnel/test/sparkplug"
)

// FuzzSparkplug: no payload of a host makes the link panic, and no metric is longer than the message.
func FuzzSparkplug(f *testing.F) {
	f.Add(host.Rebirth())
	f.Add(host.Command("limit", 10, 13, 2.5))
	f.Add(host.Command("limit", 12, 15, "text"))
	f.Add(payload(1, 7, []metric{{name: "a", at: 1, kind: Float, birth: true, unit: "V", value: scalar{set: true}}, {name: "b"}}))
	f.Add([]byte("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, message []byte) {
		list, err := readCommands(message)
		if len(list) > maxCommands {
			t.Fatal(len(list))
		}
		for i := range list {
			c := &list[i]
			if v := c.value(); err == nil && len(c.name)+len(c.text) > len(message) {
				t.Errorf("%q = %v from %d bytes", c.name, v, len(message))
			}
			for kind := Int8; kind <= Bytes; kind++ {
				wide := widened(kind, c.value())
				converted(kind, wide, scalarOf(kind, c.value()))
				typeOf(c.value())
			}
		}
	})
}

// An independent decoder reads the payloads of the link correctly.
func TestSparkplugPayload(t *testing.T) {
	for kind, v := range map[DataType]any{Int8: int64(-3), Int32: int64(-70000), Int64: int64(-1 << 62), UInt8: int64(255), UInt32: int64(1<<32 - 1), UInt64: uint64(1 << 63), Float: 0.1, Double: 0.1,
		Boolean: true, String: "°C", DateTime: "2026-11-22T12:00:00.5Z", Bytes: []byte{0, 1}} {
		m := metric{name: "x/y", at: 1795348800000, kind: kind, birth: true, historical: true, unit: "V", value: scalarOf(kind, v)}
		p, err := host.Decode(payload(5, 255, []metric{m, {name: "null", kind: kind}}))
		if err != nil || p.Timestamp != 5 || p.Seq != 255 || len(p.Metrics) != 2 || !p.Metrics[1].Null || p.Metrics[1].Field != 0 {
			t.Fatalf("%d: %+v, %v", kind, p, err)
		}
		if g := p.Metrics[0]; g.Name != "x/y" || g.Timestamp != 1795348800000 || g.Type != int(kind) || !g.Historical || g.Unit != "V" || g.Null || g.Field == 0 {
			t.Errorf("%d: %+v", kind, g)
		}
	}
}
