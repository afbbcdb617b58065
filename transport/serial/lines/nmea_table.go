package lines

import (
	"strings"
	"sync"
)

// The kinds of values in a sentence.
const (
	kindText        = 's'
	kindNumber      = 'n'
	kindClock       = 't'
	kindDate        = 'd'
	kindPosition    = 'p' // followed by a value with N, S, E or W
	kindSigned      = 'e' // followed by a value with E or W
	kindSatellites  = 'S' // a list of the values that follow
	kindInView      = 'V'
	kindTransducers = 'X'
)

// spec describes one value of a sentence.
type spec struct {
	name string
	kind byte
	at   int
}

// table describes the common sentences: the name and kind of each value in order. "-" marks a value that is skipped: it
// repeats the one before in another unit, or is always the same letter.
const table = `
GGA utc:t lat:p - lon:p - quality:n satellites:n hdop:n altitude:n - geoid_height:n - dgps_age:n dgps_station:s
GNS utc:t lat:p - lon:p - mode:s satellites:n hdop:n altitude:n geoid_height:n dgps_age:n dgps_station:s
GLL lat:p - lon:p - utc:t status:s mode:s
RMC utc:t status:s lat:p - lon:p - speed_knots:n course:n date:d variation:e - mode:s
VTG course:n - course_magnetic:n - speed_knots:n - speed_kmh:n - mode:s
GSA selection:s fix:n satellites:S - - - - - - - - - - - pdop:n hdop:n vdop:n
GSV messages:n message:n in_view:n satellites:V
ZDA utc:t day:n month:n year:n zone_hours:n zone_minutes:n
HDT heading:n
HDM heading_magnetic:n
HDG heading_magnetic:n deviation:e - variation:e
ROT rate:n status:s
MWV angle:n reference:s speed:n speed_unit:s status:s
MWD direction:n - direction_magnetic:n - speed_knots:n - speed_ms:n
VWR angle:n side:s speed_knots:n - speed_ms:n - speed_kmh:n
DBT depth_feet:n - depth:n - depth_fathoms:n
DPT depth:n offset:n range:n
MTW temperature:n
VHW heading:n - heading_magnetic:n - speed_knots:n - speed_kmh:n
VLW total:n - since_reset:n
MDA pressure_inhg:n - pressure_bar:n - air_temperature:n - water_temperature:n - humidity:n absolute_humidity:n dew_point:n - wind_direction:n - wind_direction_magnetic:n - wind_speed_knots:n - wind_speed_ms:n
RPM source:s number:n speed:n pitch:n status:s
RSA rudder:n status:s
XDR transducers:X
`

// isAngle holds the fields that range from 0 to 360 degrees.
var isAngle = map[string]bool{
	"course": true, "course_magnetic": true, "heading": true, "heading_magnetic": true, "angle": true,
	"direction": true, "direction_magnetic": true, "wind_direction": true, "wind_direction_magnetic": true,
}

var sentences = sync.OnceValue(func() map[string][]spec {
	all := map[string][]spec{}
	for line := range strings.Lines(table) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		for at, word := range words[1:] {
			if name, kind, ok := strings.Cut(word, ":"); ok {
				all[words[0]] = append(all[words[0]], spec{name, kind[0], at})
			}
		}
	}
	return all
})
