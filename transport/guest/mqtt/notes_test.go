package mqtt

import (
	"fmt"
	"strings"
	"testing"

	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/transport/mqtt/packet"
)

// Any publisher may set properties. Clients do not get properties that MQTT does not allow.
func TestForeignNotes(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxNoteText+1)
	for _, c := range []struct {
		key   string
		value any
		want  string
	}{
		{noteType, "text/x", "3 text/x"}, {noteType, 7, ""}, {noteType, "a\x00b", ""}, {noteType, long, ""}, {noteReply, "re", "8 re"}, {noteReply, true, ""},
		{noteFormat, 1, "1 1"}, {noteFormat, 2, ""}, {noteFormat, "1", ""}, {noteData, []byte("d"), "9 d"}, {noteData, "d", ""}, {noteData, []byte(long), ""},
		{noteUser, []any{[]any{"a", "1"}, []any{"b"}, 7, []any{"c", 8}, []any{9, "x"}, []any{"d", "\x00"}, []any{"e", "2"}}, "38 a 1 38 e 2"}, {noteUser, "a", ""}, {"other", "x", ""},
	} {
		d, err := codec.NewDict(wamp.JSON, map[string]any{c.key: c.value})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, p := range (&Conn{version: packet.V5}).readNotes(codec.Value(d)).properties {
			text := p.Text
			if p.ID == packet.PayloadFormat {
				text = fmt.Sprint(p.Number)
			}
			got += strings.Join(strings.Fields(fmt.Sprintf("%d %s %s", p.ID, p.Name, text)), " ") + " "
		}
		if strings.TrimSpace(got) != c.want {
			t.Errorf("%s %.20q: %q, want %q", c.key, c.value, got, c.want)
		}
		if old := (&Conn{version: packet.V311}).readNotes(codec.Value(d)).properties; old != nil {
			t.Errorf("MQTT 3.1.1 gets %v", old)
		}
	}
}
