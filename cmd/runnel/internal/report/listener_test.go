package report

import (
	"log/slog"
	"testing"

	"runnel/test/kit"
	"runnel/transport"
	"runnel/transport/guest/rest"
)

// A listener reports its HTTP clients only if it has any, and its certificate only with TLS.
func TestNewListener(t *testing.T) {
	l, err := transport.Listen("tcp://127.0.0.1:0", transport.ListenOptions{Log: slog.New(slog.DiscardHandler)})
	kit.Must(t, err)
	defer l.Close()
	if r := NewListener(l, nil, nil); r.HTTP != nil || r.Certificate != nil || r.URL != l.URL() {
		t.Errorf("%+v", r)
	}
	if r := NewListener(l, nil, rest.New(rest.Options{})); r.HTTP == nil || *r.HTTP != (rest.State{}) {
		t.Errorf("%+v", r)
	}
}
