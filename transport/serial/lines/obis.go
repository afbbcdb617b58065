package lines

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// parseOBIS reads the data sets of a meter: a code and one or more values in brackets, each with or without a unit. The last
// value is the reading; times and descriptions precede it. Its line may begin with the bracket, as with gas meters of DSMR 2
// and 3. The others are named CODE#1, CODE#2 and so on. Lines that are no data sets, such as the meter's identification, are
// left out.
func parseOBIS(text string) (r record, err error) {
	r.fields, r.units = map[string]any{}, map[string]string{}
	code, count := "", 0
	for line := range linesOf(text) {
		line = strings.Trim(line, " \t\x00\x02\x03")
		if !strings.HasPrefix(line, "(") {
			code, count = "", 0
		}
		for line != "" {
			head, rest, found := strings.Cut(line, "(")
			value, behind, closed := strings.Cut(rest, ")")
			if !found || !closed || head == "" && code == "" {
				break
			}
			if head != "" {
				if code, count = dataSet(head), 0; code == "" {
					break
				}
				if _, twice := r.fields[code]; twice {
					r.noteFlaw(code, errors.New("occurs twice"))
					break
				}
			}
			count++
			r.add(code, count, value)
			line = behind
		}
	}
	if len(r.fields) == 0 && len(r.flaws) == 0 {
		return r, errors.New("no OBIS code with a value found")
	}
	return r, nil
}

// maxValues is how many values of a data set are kept: logs of power failures have up to 22.
const maxValues = 64

// add stores the value with a number, beginning with 1, of a data set.
func (r *record) add(code string, n int, value string) {
	if n > maxValues {
		return
	}
	if before, ok := r.fields[code]; ok && n > 1 {
		r.fields[fmt.Sprint(code, "#", n-1)] = before
		delete(r.fields, code)
		delete(r.units, code)
	}
	text, unit, measured := strings.Cut(value, "*")
	switch number, err := number(text); {
	case strings.TrimSpace(value) == "":
	case measured && err == nil:
		r.fields[code], r.units[code] = number, unit
	default:
		r.fields[code] = raw(strings.TrimSpace(value))
	}
}

// dataSet returns an OBIS code without the group for the current value, or "" if text is not an OBIS code.
func dataSet(text string) string {
	text = strings.TrimSuffix(text, "*255")
	if len(text) > 24 || !strings.Contains(text, ".") || strings.Trim(text, "0123456789ABCDEFGHLP-:.*&") != "" {
		return ""
	}
	return text
}

// meterTime reads a time of DSMR P1: local time of the meter as YYMMDDhhmmss, with W for winter and S for summer. The
// countries with such meters have Central European Time.
func meterTime(text string) (time.Time, bool) {
	if len(text) != 13 {
		return time.Time{}, false
	}
	zones := map[byte]*time.Location{'W': time.FixedZone("CET", 3600), 'S': time.FixedZone("CEST", 7200)}
	zone := zones[text[12]]
	if zone == nil {
		return time.Time{}, false
	}
	t, err := time.ParseInLocation("060102150405", text[:12], zone)
	return t, err == nil
}
