package line

import (
	"time"

	"runnel/cmd/runnel/internal/config/check"
	"runnel/cmd/runnel/internal/config/position"
	"runnel/cmd/runnel/internal/config/values"
	"runnel/transport/serial/lines"
)

// Ask is a request to a device that sends data only on request.
type Ask struct {
	Place   position.Place
	Send    Octets          `toml:"send"`
	Every   values.Duration `toml:"every"`
	AtOpen  bool            `toml:"at_open"`
	Timeout values.Duration `toml:"timeout"` // for the answer; "0s": none is expected
}

// defaultTimeout is how long a device may take to answer by default.
const defaultTimeout = time.Second

func (s *Serial) checkAsk(k check.Keys) {
	for i := range s.Ask {
		a := &s.Ask[i]
		k.Required(a.Place, "send", string(a.Send))
		if a.Every == 0 && !a.AtOpen {
			k.Add(a.Place, "every", "missing; write every = \"10s\", at_open = true, or both")
		}
	}
}

// requests returns the requests to the device.
func (s *Serial) requests() (list []lines.Request) {
	for _, a := range s.Ask {
		r := lines.Request{Send: []byte(a.Send), Every: time.Duration(a.Every), AtOpen: a.AtOpen, Timeout: defaultTimeout}
		if a.Place.Has("timeout") {
			r.Timeout = time.Duration(a.Timeout)
		}
		list = append(list, r)
	}
	return list
}
