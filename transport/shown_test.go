package transport

import (
	"context"
	"strings"
	"testing"
)

func TestShown(t *testing.T) {
	for text, want := range map[string]string{
		"tcp://127.0.0.1:8080":                 "tcp://127.0.0.1:8080",
		"wss://user:hunter2@host/ws?token=abc": "wss://...@host/ws?...",
		"ws://hunter2@host":                    "ws://...@host",
		"ws://u:hun ter2@x@host":               "ws://...@host",
		"serial:///dev/ttyUSB0?baud=115200":    "serial:///dev/ttyUSB0?baud=115200",
		"no URL":                               "no URL",
	} {
		if got := RedactURL(text); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// An error that may get into a log names neither passwords nor tokens.
func TestDialHidesSecrets(t *testing.T) {
	for _, raw := range []string{"ws://user:hunter2@127.0.0.1:1/ws?token=hunter3", "ws://hunter2@127.0.0.1:1/", "ws://:hunter2@127.0.0.1:1?hunter3"} {
		_, err := Dial(context.Background(), raw, DialOptions{})
		if err == nil || strings.Contains(err.Error(), "hunter") || !strings.Contains(err.Error(), "127.0.0.1:1") {
			t.Errorf("%s: %v", raw, err)
		}
	}
}
