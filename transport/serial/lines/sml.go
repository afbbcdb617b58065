package lines

import (
	"errors"

	"runnel/transport/serial/sml"
)

// smlTelegram is the telegram of meters with SML.
var smlTelegram = Telegram{Begin: []byte(sml.Begin), End: []byte(sml.End), Trailer: sml.Trailer, Escape: []byte(sml.Escape), Little: true, Check: Check{Name: "crc16-x25", Little: true}}

// serverField is the name of the meter's identity in an event. All other names are OBIS codes.
const serverField = "server"

// parseSML reads the values of a meter with SML by their OBIS codes.
func parseSML(telegram string) (r record, err error) {
	meter, err := sml.Read([]byte(telegram))
	if err != nil {
		return r, err
	}
	r.fields, r.units = make(map[string]any, len(meter.Entries)+3), map[string]string{}
	if meter.Server != "" {
		r.fields[serverField] = meter.Server
	}
	for _, e := range meter.Entries {
		if _, twice := r.fields[e.Code]; twice {
			r.noteFlaw(e.Code, errors.New("occurs twice"))
			continue
		}
		r.fields[e.Code] = e.Value
		if e.Unit != "" {
			r.units[e.Code] = e.Unit
		}
	}
	return r, nil
}
