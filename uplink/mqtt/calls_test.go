package mqtt

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// A repeated request is recognized while its call is pending, and for a while after the answer.
func TestRepeatedCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c calls
		begin := func(when string, wantAgain bool) {
			t.Helper()
			if again, full := c.begin("a/response/1"); again != wantAgain || full {
				t.Errorf("%s: a repetition %v, full %v", when, again, full)
			}
		}
		begin("first", false)
		time.Sleep(time.Hour)
		begin("under way", true)
		c.finish("a/response/1")
		begin("answered", true)
		time.Sleep(repeatTime)
		begin("answered just so long ago", true)
		time.Sleep(time.Nanosecond)
		begin("answered longer ago", false)
		begin("under way again", true)
	})
}

// At most maxCalls calls are pending. The link remembers at most the latest maxRepeats answered ones.
func TestCallsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c calls
		for n := range maxCalls {
			if again, full := c.begin(fmt.Sprint(n)); again || full {
				t.Fatalf("call %d: a repetition %v, full %v", n, again, full)
			}
		}
		if again, full := c.begin("one more"); again || !full {
			t.Errorf("one more: a repetition %v, full %v", again, full)
		}
		if again, full := c.begin("0"); !again || full {
			t.Errorf("a repetition among many: %v, full %v", again, full)
		}
		c.finish("0")
		if again, full := c.begin("one more"); again || full {
			t.Errorf("after an answer: a repetition %v, full %v", again, full)
		}
		c.finish("one more")
		for n := range maxRepeats {
			c.begin(fmt.Sprint("later ", n))
			c.finish(fmt.Sprint("later ", n))
		}
		known := func(reply string) bool {
			again, _ := c.begin(reply)
			return again
		}
		if known("0") || known("one more") || !known("later 0") || !known(fmt.Sprint("later ", maxRepeats-1)) {
			t.Error("older calls are remembered, or later ones are forgotten")
		}
	})
}

// The id of a call is one topic level of limited length.
func TestCallIDs(t *testing.T) {
	for id, want := range map[any]string{
		int64(0): "0", int64(7): "7", int64(-7): "", "x-1": "x-1", "": "", "a/b": "", "+": "", "a#": "", true: "", "a\x00": "",
		strings.Repeat("x", maxCallID): strings.Repeat("x", maxCallID), strings.Repeat("x", maxCallID+1): "",
	} {
		raw, err := codec.AppendValue(nil, wamp.CBOR, id)
		if err != nil {
			t.Fatal(err)
		}
		if level, ok := callID(codec.Value{Serializer: wamp.CBOR, Raw: raw}); ok != (want != "") || ok && level != want {
			t.Errorf("%v: %q, %v", id, level, ok)
		}
	}
}

// A call ends after its own timeout, within bounds, or after the default.
func TestCallTimeouts(t *testing.T) {
	for message, want := range map[string]time.Duration{
		`{"id": 1}`:                                        callTime,
		`{"id": 1, "timeout": 500}`:                        500 * time.Millisecond,
		`{"id": 1, "timeout": 3600000}`:                    longestCall,
		`{"id": 1, "timeout": 3600001}`:                    longestCall,
		`{"id": 1, "timeout": 18446744073709551615}`:       longestCall,
		`{"id": 1, "timeout": 0, "args": [], "kwargs":{}}`: 0,
	} {
		if q, err := JSON.request([]byte(message), nil); err != nil || q.timeout != want {
			t.Errorf("%s: %v, %v", message, q.timeout, err)
		}
	}
}

// A response has the arguments that the result has.
func TestResponseArguments(t *testing.T) {
	q, err := JSON.request([]byte(`{"id": 7}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	for want, p := range map[string]client.Payload{
		`{"id":7}`:                                 {},
		`{"id":7,"args":[1]}`:                      client.Args(1),
		`{"id":7,"args":[],"kwargs":{"a":1}}`:      client.Kwargs(map[string]any{"a": 1}),
		`{"id":7,"args":[1,2],"kwargs":{"a":"b"}}`: {Args: []any{1, 2}, Kwargs: map[string]any{"a": "b"}},
	} {
		if got, err := JSON.response(q, client.Body{Payload: payloadOf(t, wamp.CBOR, p)}, nil); string(got) != want || err != nil {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	}
}
