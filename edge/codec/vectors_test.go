package codec

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"runnel/edge/wamp"
)

// vectors are the specification's test vectors. They are available only where the project is developed.
const vectors = "../../../shared/wamp-vectors"

type vectorFile struct {
	Code    wamp.Type `json:"wamp_message_code"`
	Samples []sample
}

type sample struct {
	Description string
	Serializers map[string][]struct {
		Hex string `json:"bytes_hex"`
	}
	Attributes map[string]json.RawMessage `json:"expected_attributes"`
	Wmsg       json.RawMessage
	Error      *struct {
		Type, Contains string
	} `json:"expected_error"`
}

func TestVectors(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(vectors, "singlemessage", "*", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("the protocol's test vectors are not here")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var f vectorFile
		if err := json.Unmarshal(text, &f); err != nil {
			t.Fatal(err)
		}
		for _, s := range f.Samples {
			t.Run(filepath.Base(file)+"/"+s.Description, func(t *testing.T) { s.run(t, f.Code) })
		}
	}
}

func (s sample) run(t *testing.T, code wamp.Type) {
	if s.Serializers == nil && s.Wmsg == nil {
		t.Fatal("neither bytes nor a message")
	}
	if s.Wmsg != nil {
		s.runMessage(t, code)
	}
	for name := range s.Serializers {
		serializer, ok := wamp.ParseSerializer(name)
		if !ok {
			t.Fatalf("unknown serializer %q", name)
		}
		for _, encoding := range s.Serializers[name] {
			s.runBytes(t, code, serializer, unhex(t, encoding.Hex))
		}
	}
}

// runBytes parses one encoding and writes it in all three serializers.
func (s sample) runBytes(t *testing.T, code wamp.Type, from wamp.Serializer, data []byte) {
	var m Message
	if err := Parse(from, data, &m); err != nil {
		t.Errorf("%v %x: %v", from, data, err)
		return
	}
	if TypeOf(from, data) != code {
		t.Errorf("TypeOf = %v", TypeOf(from, data))
	}
	for name, want := range s.Attributes {
		s.checkAttribute(t, &m, name, want)
	}
	for _, to := range wamp.Serializers {
		got, err := Append(nil, to, &m)
		if err != nil {
			t.Errorf("%v to %v: %v", from, to, err)
			continue
		}
		if !s.accepts(t, to, got) {
			t.Errorf("%v to %v: %x %q", from, to, got, got)
		}
	}
}

// accepts reports whether got is one of the encodings that the vectors accept. Spaces after commas in JSON are ignored.
func (s sample) accepts(t *testing.T, to wamp.Serializer, got []byte) bool {
	for _, encoding := range s.Serializers[to.String()] {
		want := unhex(t, encoding.Hex)
		if to == wamp.JSON {
			want, got = compact(t, want), compact(t, got)
		}
		if bytes.Equal(want, got) {
			return true
		}
	}
	return false
}

func compact(t *testing.T, text []byte) []byte {
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func unhex(t *testing.T, text string) []byte {
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (s sample) checkAttribute(t *testing.T, m *Message, name string, want json.RawMessage) {
	args, kwargs, err := m.Payload.Decode()
	if err != nil {
		t.Fatal(err)
	}
	dict, err := m.Dict.Map()
	if err != nil {
		t.Fatal(err)
	}
	var payload any
	if len(args) == 1 && m.Payload.Items == 1 && kindOf(m.Payload.Serializer, m.Payload.Raw[0]) != kindList {
		if b, ok := args[0].([]byte); ok {
			payload = hex.EncodeToString(b)
		}
		args = nil
	}
	var got any
	switch name {
	case "message_type":
		got = m.Type
	case "request_type":
		got = m.ErrorType
	case "request_id":
		got = m.Request
	case "session_id", "subscription", "subscription_id", "registration_id":
		got = m.ID
	case "publication_id":
		got = m.ID
	case "publication":
		got = m.Publication
	case "realm", "topic", "procedure", "error", "reason", "signature", "method":
		got = string(m.Text)
	case "options", "details", "extra":
		got = dict
	case "roles":
		got = dict["roles"]
	case "args":
		got = orNil(args, args != nil)
	case "kwargs":
		got = orNil(kwargs, kwargs != nil)
	case "payload":
		got = payload
	default:
		t.Fatalf("unknown attribute %q", name)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if !sameJSON(t, text, want) {
		t.Errorf("%s: got %s, want %s", name, text, want)
	}
}

func orNil(v any, there bool) any {
	if there {
		return v
	}
	return nil
}

func sameJSON(t *testing.T, a, b []byte) bool {
	return reflect.DeepEqual(decodeJSON(t, a), decodeJSON(t, b))
}

func decodeJSON(t *testing.T, text []byte) any {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// runMessage checks a message, given as a JSON list, in all three serializers: it is accepted, or rejected with an
// error that names the faulty element.
func (s sample) runMessage(t *testing.T, code wamp.Type) {
	for _, to := range wamp.Serializers {
		data, err := Transcode(nil, to, wamp.JSON, s.Wmsg)
		if err != nil {
			t.Fatal(err)
		}
		var m Message
		err = Parse(to, data, &m)
		switch {
		case s.Error == nil && err != nil:
			t.Errorf("%v: refused: %v", to, err)
		case s.Error == nil && m.Type != code:
			t.Errorf("%v: type %v", to, m.Type)
		case s.Error != nil && err == nil:
			t.Errorf("%v: accepted, want an error that contains %q", to, s.Error.Contains)
		case s.Error != nil && !strings.Contains(err.Error(), s.Error.Contains):
			t.Errorf("%v: %v does not contain %q", to, err, s.Error.Contains)
		}
	}
}
