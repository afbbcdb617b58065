package lines

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"runnel/transport/serial/reading"
)

// chunks is a device that sends one chunk after the other.
type chunks []string

func (c *chunks) Read(b []byte) (int, error) {
	if len(*c) == 0 {
		return 0, io.EOF
	}
	n := copy(b, (*c)[0])
	*c = (*c)[1:]
	return n, nil
}

func TestSensor(t *testing.T) {
	told := []uint64{}
	s := NewSensor(parser(t, Config{MaxLine: 32, Time: "none"}), func(s State) { told = append(told, s.Bad) })
	var got []any
	device := chunks{`.5}` + "\n" + `{"t":1}` + "\r\n", "hello\n  \n", "\xff\n", strings.Repeat("x", 40) + "\n", "{\x1b[31m\n", "no\n", `{"t":2}` + "\n{"}
	if err := s.Run(&device, func(e reading.Event) { got = append(got, e.Kwargs["t"]) }); err != io.EOF {
		t.Error(err)
	}
	state := s.State()
	if !reflect.DeepEqual(got, []any{int64(1), int64(2)}) || state.Good != 2 || state.Bad != 5 || state.Long != 1 || state.NotUTF8 != 1 || state.BaudSuspect {
		t.Errorf("%v, %+v", got, state)
	}
	if state.Partial != 1 || state.BadInARow != 0 {
		t.Errorf("%+v", state)
	}
	if state.BadLine != "no" || !strings.HasPrefix(state.BadReason, "not JSON") || !reflect.DeepEqual(told, []uint64{1, 2, 4}) {
		t.Errorf("%+v, told %v", state, told)
	}
}

func TestBaudSuspect(t *testing.T) {
	s := NewSensor(parser(t, Config{}), nil)
	s.received(10, noon)
	s.received(10, noon.Add(6*time.Second))
	if !s.State().BaudSuspect {
		t.Error("octets without a line, and nothing is suspected")
	}
	s.countBad([]byte("hello"), errors.New("no"), noon)
	if s.State().BaudSuspect {
		t.Error("suspected although there is text")
	}
}

func TestShown(t *testing.T) {
	if got := Excerpt([]byte("a\x1b[2Jb\xff ")); got != "a [2Jb\uFFFD" {
		t.Errorf("%q", got)
	}
	if got := Excerpt([]byte(strings.Repeat("x", 500))); len(got) != maxExcerpt+3 {
		t.Errorf("%d octets", len(got))
	}
}
