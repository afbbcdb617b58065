package transport

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// An error of Dial names the URL once.
func TestDialErrorNamesTheURLOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	socket := filepath.Join(t.TempDir(), "none.sock")
	for url, want := range map[string]error{
		"tcp://" + address:         syscall.ECONNREFUSED,
		"tls://" + address:         syscall.ECONNREFUSED,
		"ws://" + address + "/a/b": syscall.ECONNREFUSED,
		"unix://" + socket:         syscall.ENOENT,
	} {
		_, err := Dial(context.Background(), url, DialOptions{})
		_, place, _ := strings.Cut(strings.TrimSuffix(url, "/a/b"), "://")
		if !errors.Is(err, want) || strings.Count(err.Error(), place) != 1 || !strings.HasPrefix(err.Error(), "dial "+url+": ") {
			t.Errorf("%s: %v", url, err)
		}
	}
	_, err = Dial(context.Background(), "tcp://localhost:"+address[strings.LastIndex(address, ":")+1:], DialOptions{})
	if !errors.Is(err, syscall.ECONNREFUSED) || strings.Count(err.Error(), "localhost") != 1 || strings.Contains(err.Error(), "dial tcp ") {
		t.Errorf("by name: %v", err)
	}
}
