package edge

import (
	"math"
	"testing"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

func dictOf(t *testing.T, fields map[string]any) codec.Dict {
	t.Helper()
	if fields == nil {
		return codec.Dict{}
	}
	d, err := codec.NewDict(wamp.CBOR, fields)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The longest timeout is what a time.Duration can hold.
func TestTimeoutOption(t *testing.T) {
	const most = math.MaxInt64 / uint64(time.Millisecond)
	for ms, ok := range map[any]bool{0: true, 1500: true, most: true, most + 1: false, -1: false, "1": false, 1.5: false} {
		o, err := readCallOptions(dictOf(t, map[string]any{"timeout": ms}))
		if (err == nil) != ok {
			t.Errorf("%v ms: %v", ms, err)
		}
		if n, isInt := ms.(int); ok && isInt && o.timeout != time.Duration(n)*time.Millisecond {
			t.Errorf("%v ms: %v", ms, o.timeout)
		}
	}
}

// The router's own details are found among others.
func TestOwnDetails(t *testing.T) {
	for _, c := range []struct {
		fields      map[string]any
		asks, unset bool
	}{
		{nil, false, false}, {map[string]any{"topic": "com.a"}, false, false},
		{map[string]any{"a": 1, wamp.KeyConfirm: true, "z": 2}, true, false},
		{map[string]any{"a": 1, wamp.KeyUnsent: true, "z": 2}, false, true}, {map[string]any{wamp.KeyUnsent: false}, false, false},
	} {
		if d := dictOf(t, c.fields); asksToConfirm(d) != c.asks || isUnsent(d) != c.unset {
			t.Errorf("%v: asks to confirm %v, unsent %v", c.fields, asksToConfirm(d), isUnsent(d))
		}
	}
}

// A peer that accepts no long messages gets a WELCOME without features.
func TestWelcomeFitsThePeer(t *testing.T) {
	s := seated(t, wamp.CBOR)[0]
	limit := &s.conn.(*sink).transport.Limit
	full, err := s.welcome(nil)
	if err != nil {
		t.Fatal(err)
	}
	for over, bare := range []bool{false, true} {
		*limit = len(full.Dict.Raw) + welcomeHead - over
		m, err := s.welcome(nil)
		if err != nil || (len(m.Dict.Raw) < len(full.Dict.Raw)) != bare {
			t.Errorf("%d bytes too long: %d instead of %d, %v", over, len(m.Dict.Raw), len(full.Dict.Raw), err)
		}
	}
	*limit = welcomeHead
	if _, err := s.welcome(nil); err == nil {
		t.Error("a peer that accepts next to nothing is welcome")
	}
}
