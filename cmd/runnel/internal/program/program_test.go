package program

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// call returns a call of com.example.job.
func call(t *testing.T, args ...any) *client.Invocation {
	t.Helper()
	details, err := codec.NewDict(wamp.CBOR, map[string]any{"procedure": "com.example.job"})
	kit.Must(t, err)
	payload, err := codec.NewPayload(wamp.CBOR, args, nil)
	kit.Must(t, err)
	return &client.Invocation{Body: client.Body{Details: details, Payload: payload}}
}

// The result of a call is the program's output. A program that fails, prints too much or is killed makes the call fail.
func TestAnswer(t *testing.T) {
	for _, c := range []struct {
		script string
		args   []any
		want   []any  // the result, or the arguments of the error
		uri    string // of the error
	}{
		{script: "cat", args: []any{1}, want: []any{map[string]any{"procedure": "com.example.job", "args": []any{int64(1)}, "kwargs": map[string]any{}}}},
		{script: "echo $RUNNEL_PROCEDURE $1", args: []any{"a b"}, want: []any{"com.example.job a b"}},
		{script: "echo ignored >&2"},
		{script: "head -c 1048576 /dev/zero | tr '\\0' x", want: []any{strings.Repeat("x", maxOutput)}},
		{script: "head -c 1048577 /dev/zero", uri: "wamp.error.payload_size_exceeded", want: []any{"/bin/sh printed more than 1048576 bytes"}},
		{script: "echo broken >&2; echo ignored; exit 7", uri: "runnel.error.exec", want: []any{"broken", map[string]any{"exit": int64(7)}}},
		{script: "exit 3", uri: "runnel.error.exec", want: []any{"exit status 3", map[string]any{"exit": int64(3)}}},
		{script: "kill -9 $$", uri: "runnel.error.exec", want: []any{"signal: killed", map[string]any{"exit": int64(-1)}}},
	} {
		got, err := Program{"/bin/sh", []string{"-c", c.script, "sh"}}.Answer(t.Context(), call(t, c.args...))
		if failed := (*client.Error)(nil); errors.As(err, &failed) {
			if failed.URI != c.uri || !reflect.DeepEqual(failed.Args(), c.want) {
				t.Errorf("%s: %s %q", c.script, failed.URI, failed.Args())
			}
		} else if err != nil || c.uri != "" || !reflect.DeepEqual(got.Args, c.want) {
			t.Errorf("%s: %.100q, %v", c.script, got.Args, err)
		}
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Program{"/bin/sh", []string{"-c", "exit 3"}}).Answer(canceled, call(t)); err != wamp.Canceled {
		t.Error(err)
	}
	damaged := call(t)
	damaged.Payload = codec.Payload{Serializer: wamp.CBOR, Items: 1, Raw: []byte{0xff}}
	for what, inv := range map[string]*client.Invocation{"a NUL": call(t, "\x00"), "a damaged payload": damaged} {
		if _, err := (Program{path: "/bin/sh"}).Answer(t.Context(), inv); !errors.Is(err, wamp.InvalidArgument) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := Program{path: "/nowhere/program"}.Answer(t.Context(), call(t))
	if failed := (*client.Error)(nil); !errors.As(err, &failed) || failed.URI != "runnel.error.exec" || len(failed.Args()) != 1 || !strings.Contains(failed.Error(), "/nowhere/program") {
		t.Error(err)
	}
}

func TestFindProgram(t *testing.T) {
	for _, c := range []struct {
		command string
		args    []string
		want    []string
		ok      bool
	}{
		{"sh", []string{"-c", "a b"}, []string{"-c", "a b"}, true},
		{"sh -c exit", []string{"1"}, []string{"-c", "exit", "1"}, true},
		{"no-such-program", nil, nil, false},
		{"no-such-program -c", nil, nil, false},
		{"", nil, nil, false},
	} {
		p, err := Find(c.command, c.args)
		if (err == nil) != c.ok || c.ok && (!strings.HasSuffix(p.path, "/sh") || !reflect.DeepEqual(p.args, c.want)) {
			t.Errorf("%q %q: %+v, %v", c.command, c.args, p, err)
		}
	}
}

func TestArguments(t *testing.T) {
	cmd, err := Program{"/bin/echo", []string{"own"}}.command(t.Context(), "com.a", []any{"a b", int64(1), []byte{255}, map[string]any{"x": nil}}, map[string]any{"k": "v"})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"/bin/echo", "own", "a b", "1", "0xff", `{"x":null}`}; !reflect.DeepEqual(cmd.Args, want) {
		t.Errorf("%q", cmd.Args)
	}
	if _, err := (Program{}).command(t.Context(), "a", []any{"\x00"}, nil); err == nil {
		t.Error("NUL passes")
	}
}

func TestOutputIsBounded(t *testing.T) {
	h, e := &head{max: 5}, &tail{max: 5}
	h.Write([]byte("abc"))
	h.Write([]byte("de"))
	if string(h.kept) != "abcde" || h.cut {
		t.Errorf("a full head: %q %v", h.kept, h.cut)
	}
	h.kept = nil
	for _, s := range []string{"abc", "def", "gh"} {
		for _, w := range []interface{ Write([]byte) (int, error) }{h, e} {
			if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
				t.Errorf("Write: %d, %v", n, err)
			}
		}
	}
	if string(h.kept) != "abcde" || !h.cut || string(e.kept) != "defgh" {
		t.Errorf("head %q %v, tail %q", h.kept, h.cut, e.kept)
	}
}

func TestResult(t *testing.T) {
	for output, want := range map[string][]any{"": nil, "\n": nil, "21\n": {int64(21)}, "two words\r\n": {"two words"}, "[1]": {[]any{int64(1)}}, "\xff": {"\uFFFD"}} {
		if got := result([]byte(output)).Args; !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q", output, got)
		}
	}
}
