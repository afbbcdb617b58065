package lines

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestNMEA(t *testing.T) {
	p := parser(t, Config{Format: NMEA, Topic: "com.example.gps.{sentence}", Time: "none"})
	for _, c := range []struct {
		line  string // without its checksum
		topic string
		want  fields
	}{
		{"GPGGA,123519.5,4807.038,N,01131.000,W,1,08,0.9,545.4,M,46.9,M,,", "gga",
			fields{"talker": "GP", "sentence": "GGA", "utc": "12:35:19.5", "lat": 48.1173, "lon": -11.51666667, "quality": int64(1), "satellites": int64(8), "hdop": 0.9, "altitude": 545.4, "geoid_height": 46.9}},
		{"GPRMC,120000,A,4807.038,S,01131.000,E,022.4,084.4,221126,003.1,W", "rmc",
			fields{"talker": "GP", "sentence": "RMC", "utc": "12:00:00", "status": "A", "lat": -48.1173, "lon": 11.51666667, "speed_knots": 22.4, "course": 84.4, "date": "2026-11-22", "variation": -3.1}},
		{"GNRMC,,V,,,,,,,,,,N", "rmc", fields{"talker": "GN", "sentence": "RMC", "status": "V", "mode": "N"}},
		{"GPZDA,120000.00,22,11,2026,00,00", "zda",
			fields{"talker": "GP", "sentence": "ZDA", "utc": "12:00:00.00", "day": int64(22), "month": int64(11), "year": int64(2026), "zone_hours": int64(0), "zone_minutes": int64(0)}},
		{"GPRMC,120000,A,4807.038,N,01131.000,E,022.4,084.4,221126,999.9,E,A", "rmc", // the variation is out of range
			fields{"talker": "GP", "sentence": "RMC", "utc": "12:00:00", "status": "A", "lat": 48.1173, "lon": 11.51666667, "speed_knots": 22.4, "course": 84.4, "date": "2026-11-22", "mode": "A"}},
		{"GPRMC,120000,A,4807.038,N,01131.000,E,022.4,084.4,221126,0.0,A", "rmc", // a mode where the direction stands
			fields{"talker": "GP", "sentence": "RMC", "utc": "12:00:00", "status": "A", "lat": 48.1173, "lon": 11.51666667, "speed_knots": 22.4, "course": 84.4, "date": "2026-11-22"}},
		{"GPRMC,125960,A,4807.038,N,18131.000,E,x,984.4,310226,,", "rmc",
			fields{"talker": "GP", "sentence": "RMC", "utc": "12:59:60", "status": "A"}},
		{"GPGGA,123519,9107.038,N,01131.000,W,1,08,0.9,-,M,46.9,M,,", "gga",
			fields{"talker": "GP", "sentence": "GGA", "utc": "12:35:19", "quality": int64(1), "satellites": int64(8), "hdop": 0.9, "geoid_height": 46.9}},
		{"HCHDG,101.1,,,7.1,X", "hdg", fields{"talker": "HC", "sentence": "HDG", "heading_magnetic": 101.1}},
		{"GPVTG,054.7,T,034.4,M,005.5,N,010.2,K,A", "vtg",
			fields{"talker": "GP", "sentence": "VTG", "course": 54.7, "course_magnetic": 34.4, "speed_knots": 5.5, "speed_kmh": 10.2, "mode": "A"}},
		{"GPGSA,A,3,04,05,,09,12,,,24,,,,,2.5,1.3,2.1", "gsa",
			fields{"talker": "GP", "sentence": "GSA", "selection": "A", "fix": int64(3), "satellites": []any{int64(4), int64(5), int64(9), int64(12), int64(24)}, "pdop": 2.5, "hdop": 1.3, "vdop": 2.1}},
		{"GPGSV,2,1,08,01,40,083,46,02,17,308,,1", "gsv",
			fields{"talker": "GP", "sentence": "GSV", "messages": int64(2), "message": int64(1), "in_view": int64(8), "satellites": []any{
				fields{"id": int64(1), "elevation": int64(40), "azimuth": int64(83), "snr": int64(46)}, fields{"id": int64(2), "elevation": int64(17), "azimuth": int64(308)}}}},
		{"HEHDT,271.1,T", "hdt", fields{"talker": "HE", "sentence": "HDT", "heading": 271.1}},
		{"WIMWV,214.8,R,0.1,M,A", "mwv", fields{"talker": "WI", "sentence": "MWV", "angle": 214.8, "reference": "R", "speed": 0.1, "speed_unit": "M", "status": "A"}},
		{"SDDBT,7.8,f,2.4,M,1.3,F", "dbt", fields{"talker": "SD", "sentence": "DBT", "depth_feet": 7.8, "depth": 2.4, "depth_fathoms": 1.3}},
		{"IIXDR,C,19.5,C,AIR,P,1.01,B,BARO", "xdr", fields{"talker": "II", "sentence": "XDR", "transducers": []any{
			fields{"type": "C", "value": 19.5, "unit": "C", "name": "AIR"}, fields{"type": "P", "value": 1.01, "unit": "B", "name": "BARO"}}}},
		{"PMTK001,314,3", "mtk001", fields{"talker": "P", "sentence": "MTK001", "values": []any{int64(314), int64(3)}}},
		{"PSRFTXTBaud rate: 57600 ", "srftxtbaud", fields{"talker": "P", "sentence": "SRFTXTBaud", "values": []any{" rate: 57600 "}}},
		{"GPXYZ,1,a,", "xyz", fields{"talker": "GP", "sentence": "XYZ", "values": []any{int64(1), "a", ""}}},
	} {
		e, err := p.Parse(fmt.Appendf(nil, "$%s*%02X", c.line, Checksum(c.line)), noon)
		if err != nil {
			t.Errorf("%s: %v", c.line, err)
		} else if e.Topic != "com.example.gps."+c.topic || !reflect.DeepEqual(e.Kwargs, c.want) {
			t.Errorf("%s: %s\n%v\nwant %v", c.line, e.Topic, e.Kwargs, c.want)
		}
	}
	for _, c := range []struct{ line, want string }{
		{"GPGGA,1", "no $ or ! at its beginning"},
		{"$GPGGA,1", "checksum is missing"},
		{"$GPGGA,1*", "is not a checksum"},
		{"$GPGGA,1*123", "is not a checksum"},
		{"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*49", "checksum 47, want 49"},
		{"$GP*17", "not the address of a sentence"},
		{sum("GPGGA,1"), `GGA: utc: "1" is not a time`},
		{sum("GPGGA,256199"), "is not a time"},
		{sum("GPGGA,,9907.0,N"), "is out of range"},
		{sum("GPGGA,,4860.0,N"), "is out of range"},
		{sum("GPGGA,,99999.0,N"), "is out of range"},
		{sum("GPGGA,,4807.0,X"), "is neither N nor S"},
		{sum("GPGGA,,4807.0,E"), "is neither N nor S"},
		{sum("GPGGA,,4807.0"), "is out of range"},
		{sum("GPRMC,,,,,,,,,991399"), "is not a date"},
		{sum("HEHDT,north"), "is not a number"},
		{sum("HEHDT,1e2"), "is not a number"},
		{sum("HEHDT,361"), "is out of range"},
	} {
		if _, err := p.Parse([]byte(c.line), noon); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.line, err, c.want)
		}
	}
	some := parser(t, Config{Format: NMEA, Sentences: []string{"RMC"}})
	if _, err := some.Parse([]byte(sum("HEHDT,1,T")), noon); !errors.Is(err, errIgnored) {
		t.Errorf("not wanted: %v", err)
	}
}

// A receiver's time is used only while it has a fix, and only a plausible one.
func TestReceiverTime(t *testing.T) {
	const arrival, receiver = "2026-11-22T12:00:00.000Z", "2026-11-22T11:59:58.000Z"
	rmc := func(status, date, mode string) string {
		return "GPRMC,115958," + status + ",4807.038,N,01131.000,E,0.0,0.0," + date + ",,," + mode
	}
	zda := func(date string) string { return "GPZDA,115958.00," + date + ",00,00" }
	for _, c := range []struct {
		name  string
		time  string // the key
		lines []string
		want  any // the time of the last one
	}{
		{"a fix", "", []string{rmc("A", "221126", "A")}, receiver},
		{"a fix, before NMEA 2.3", "", []string{"GPRMC,115958,A,4807.038,N,01131.000,E,0.0,0.0,221126,,"}, receiver},
		{"as told", "receiver", []string{rmc("A", "221126", "D")}, receiver},
		{"none", "none", []string{rmc("A", "221126", "A")}, nil},
		{"of arrival", "arrival", []string{rmc("A", "221126", "A")}, arrival},
		{"void", "", []string{rmc("V", "221126", "N")}, arrival},
		{"no status", "", []string{rmc("", "221126", "")}, arrival},
		{"simulated", "", []string{rmc("A", "221126", "S")}, arrival},
		{"1980", "", []string{rmc("A", "060180", "A")}, arrival},
		{"void in 1980", "", []string{rmc("V", "060180", "N")}, arrival},
		{"1999", "", []string{rmc("A", "220899", "A")}, arrival},
		{"1024 weeks ago", "", []string{rmc("A", "080407", "A")}, arrival},
		{"1024 weeks on", "", []string{rmc("A", "080746", "A")}, arrival},
		{"no date", "", []string{rmc("A", "", "A")}, arrival},
		{"only a clock", "", []string{"GPGGA,115958,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,"}, arrival},
		{"ZDA alone", "", []string{zda("22,11,2026")}, arrival},
		{"ZDA none", "none", []string{rmc("A", "221126", "A"), zda("22,11,2026")}, nil},
		{"ZDA with a fix", "", []string{rmc("A", "221126", "A"), zda("22,11,2026")}, receiver},
		{"ZDA with a fix by GGA", "", []string{"GPGGA,115957,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,", zda("22,11,2026")}, receiver},
		{"ZDA after the fix is lost", "", []string{rmc("A", "221126", "A"), rmc("V", "221126", "N"), zda("22,11,2026")}, arrival},
		{"ZDA with a fix by GGA that is lost", "", []string{rmc("A", "221126", "A"), "GPGGA,115958,,,,,0,00,,,M,,M,,", zda("22,11,2026")}, arrival},
		{"ZDA in 2007", "", []string{rmc("A", "221126", "A"), zda("08,04,2007")}, arrival},
	} {
		p := parser(t, Config{Format: NMEA, Time: c.time})
		for i, line := range c.lines {
			e, err := p.Parse([]byte(sum(line)), noon)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			} else if got := e.Kwargs["time"]; i == len(c.lines)-1 && got != c.want {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
			}
		}
	}
	some := parser(t, Config{Format: NMEA, Sentences: []string{"ZDA"}}) // the fix is known from unpublished values
	some.Parse([]byte(sum(rmc("A", "221126", "A"))), noon)
	if e, err := some.Parse([]byte(sum(zda("22,11,2026"))), noon); err != nil || e.Kwargs["time"] != receiver {
		t.Errorf("%v, %v", e.Kwargs, err)
	}
	if e, err := some.Parse([]byte(sum(zda("22,11,2026"))), noon.Add(time.Minute)); err != nil || e.Kwargs["time"] == receiver {
		t.Errorf("a minute after the fix: %v, %v", e.Kwargs, err)
	}
}
