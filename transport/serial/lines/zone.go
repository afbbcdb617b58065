package lines

import (
	"fmt"
	"strings"
	"time"
)

// localForms are the times without a zone that devices send. Seconds may have a fraction.
var localForms = []string{"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006/01/02 15:04:05", "02.01.2006 15:04:05", "2006-01-02 15:04", "02.01.2006 15:04", "20060102150405"}

// zone returns the zone of the times that the device sends without one, or nil if it is not configured.
func (c Config) zone() (*time.Location, error) {
	switch {
	case c.Zone == "":
		return nil, nil
	case !c.timeField():
		return nil, fmt.Errorf("time_zone %q: only if time names a field of the device; remove it", c.Zone)
	case c.Zone[0] == '+' || c.Zone[0] == '-':
		t, err := time.Parse("-07:00", c.Zone)
		if err != nil {
			return nil, fmt.Errorf("time_zone %q: want an offset like \"+01:00\"", c.Zone)
		}
		return t.Location(), nil
	case strings.EqualFold(c.Zone, "local"):
		return time.Local, nil
	}
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		return nil, fmt.Errorf("time_zone %q: not known to this system; write a name like \"Europe/Paris\" (package tzdata), \"local\" or an offset like \"+01:00\"", c.Zone)
	}
	return zone, nil
}

// localTime reads a time without a zone.
func localTime(text string, zone *time.Location) (t time.Time, ok bool) {
	for _, form := range localForms {
		if t, err := time.ParseInLocation(form, text, zone); err == nil {
			return t, true
		}
	}
	return t, false
}
