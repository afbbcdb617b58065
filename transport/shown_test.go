package transport

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func TestShown(t *testing.T) {
	for text, want := range map[string]string{
		"tcp://127.0.0.1:8080":                 "tcp://127.0.0.1:8080",
		"wss://user:hunter2@host/ws?token=abc": "wss://...@host/ws?...",
		"https://host/hook?key=hunter2":        "https://host/...",
		"HTTP://host?key=hunter2":              "HTTP://host/...",
		"https://user:hunter2@host/hunter3":    "https://...@host/...",
		"https://host/@hunter2/hunter3":        "https://...",
		"https://u:hun/ter2@host/":             "https://...",
		"http://host:8080/":                    "http://host:8080/",
		"http://host#hunter2":                  "http://host/...",
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

// Only the secrets are removed from the text of an error that contains a whole URL. The cause stays.
func TestErrorsLoseSecrets(t *testing.T) {
	for raw, want := range map[string]string{
		"wss://user:hunter2@host/ws?token=abc": "dial wss://...@host/ws?...: refused",
		"ws://host/ws?token=abc":               "dial ws://host/ws?...: refused",
		"ws://hunter2@host":                    "dial ws://...@host: refused",
		"ws://host/ws":                         "dial ws://host/ws: refused",
		"serial:///dev/ttyUSB0?baud=115200":    "dial serial:///dev/ttyUSB0?baud=115200: refused",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		cause := errors.New("refused")
		if err := withoutSecrets(fmt.Errorf("dial %s: %w", raw, cause), u); err.Error() != want || !errors.Is(err, cause) {
			t.Errorf("%s: %v", raw, err)
		}
	}
}
