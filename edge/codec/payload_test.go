package codec

import (
	"testing"

	"runnel/edge/wamp"
)

func TestPayloadSplit(t *testing.T) {
	for _, s := range wamp.Serializers {
		for _, c := range []struct{ message, args, kwargs string }{
			{`[16,1,{},"a"]`, ``, ``},
			{`[16,1,{},"a",[1,"two",[3]]]`, `[1,"two",[3]]`, ``},
			{`[16,1,{},"a",[],{"k":{"n":[]}}]`, `[]`, `{"k":{"n":[]}}`},
			{`[16,1,{},"a","\u0000AQ=="]`, `"\u0000AQ=="`, ``},
		} {
			m := parse(t, s, in(t, s, c.message))
			args, kwargs, err := m.Payload.Split()
			if err != nil || text(t, args) != c.args || text(t, kwargs) != c.kwargs {
				t.Errorf("%v %s: %q and %q, %v", s, c.message, args.Raw, kwargs.Raw, err)
			}
		}
	}
	p := Payload{wamp.JSON, 2, []byte(" [ 1 ] , { } ")}
	if args, kwargs, err := p.Split(); err != nil || string(args.Raw) != "[ 1 ]" || string(kwargs.Raw) != "{ }" {
		t.Errorf("with spaces: %q and %q, %v", args.Raw, kwargs.Raw, err)
	}
	for _, broken := range []Payload{{wamp.JSON, 2, []byte("[1]")}, {wamp.CBOR, 1, []byte{0x82, 1}}, {wamp.MsgPack, 3, nil}, {0, 1, []byte{1}}} {
		if _, _, err := broken.Split(); err == nil {
			t.Errorf("%v was split", broken)
		}
	}
}

// text returns a value as JSON; "" if it is absent.
func text(t *testing.T, v Value) string {
	if v.Raw == nil {
		return ""
	}
	b, err := Transcode(nil, wamp.JSON, v.Serializer, v.Raw)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}
