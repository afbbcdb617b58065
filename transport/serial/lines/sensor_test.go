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

// Telegrams that are partial, too long or have a wrong check are counted apart.
func TestTelegramCounters(t *testing.T) {
	for name, c := range map[string]struct {
		telegram Telegram
		input    string
		want     State
	}{
		"partial":  {Telegram{End: []byte("}")}, `"a":1}{"a":1}`, State{Good: 1, Partial: 1}},
		"too long": {Telegram{Begin: []byte("{"), End: []byte("}"), Max: 8}, `{"a":1}{"a":1000000}{"a":2}`, State{Good: 2, Bad: 1, Long: 1}},
		"a check":  {Telegram{Begin: []byte("{"), End: []byte("}"), Trailer: 1, Check: Check{Name: "xor8"}}, `{"a":1}x`, State{Bad: 1, Check: 1}},
	} {
		c.telegram.Validate()
		s := NewSensor(parser(t, Config{Telegram: &c.telegram}), nil)
		s.Run(strings.NewReader(c.input), func(reading.Event) {})
		if got := s.State(); got.Good != c.want.Good || got.Bad != c.want.Bad || got.Partial != c.want.Partial || got.Long != c.want.Long || got.Check != c.want.Check {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// A time is plausible from the program's year on, and until a year after the later of that and this machine's clock.
func TestPlausible(t *testing.T) {
	for _, c := range []struct {
		at, now time.Time
		want    bool
	}{
		{built(), built(), true}, {built().Add(-1), built(), false}, {built().AddDate(1, 0, 0).Add(-1), built(), true}, {built().AddDate(1, 0, 0), built(), false},
		{built(), time.Unix(0, 0), true}, {built().AddDate(1, 0, 0), time.Unix(0, 0), false}, {built().AddDate(3, 0, 0), built().AddDate(2, 0, 1), true}, {built().AddDate(3, 0, 1), built().AddDate(2, 0, 1), false},
	} {
		if got := plausible(c.at, c.now); got != c.want {
			t.Errorf("%v at %v: %v", c.at, c.now, got)
		}
	}
}
