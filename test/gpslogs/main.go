// gpslogs reads logs of GPS receivers as a serial line would, and compares the positions with those of gpsd:
//
//	go run ./test/gpslogs DIR
//
// DIR has files NAME.log, such as those in test/daemon of gpsd's source code, and for some of them NAME.log.chk with
// the output of gpsd. gpslogs fails if a sentence with a valid checksum is lost, or if a position differs.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"runnel/transport/serial/lines"
)

// near is the tolerated difference from gpsd's position, in degrees: a tenth of a metre.
const near = 1e-6

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./test/gpslogs DIR")
		os.Exit(2)
	}
	files, err := filepath.Glob(filepath.Join(os.Args[1], "*.log"))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s has no file that ends in .log", os.Args[1])
	}
	var total result
	for _, file := range files {
		if err == nil {
			err = total.read(file)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gpslogs:", err)
		os.Exit(1)
	}
	fmt.Printf("%d files, %d sentences with a valid checksum: %d lost; %d positions compared: %d differ\n",
		len(files), total.sentences, total.lost, total.compared, total.differ)
	if total.lost+total.differ > 0 {
		os.Exit(1)
	}
}

type result struct{ sentences, lost, compared, differ int }

// position is a position at a time of day.
type position struct {
	Time     time.Time
	Lat, Lon *float64
}

func (p position) key() string { return p.Time.UTC().Format("15:04:05.999") }

// read reads one log.
func (r *result) read(file string) error {
	parser, err := lines.New(lines.Config{Format: lines.NMEA, Topic: "gps.{sentence}", Time: "none"})
	if err != nil {
		return err
	}
	ours := map[string][]position{}
	err = scan(file, func(line string) {
		if !lines.Sentence(line) {
			return
		}
		r.sentences++
		event, err := parser.Parse([]byte(line), time.Now())
		if err != nil {
			r.lost++
			fmt.Printf("%s: %v: %s\n", filepath.Base(file), err, line)
			return
		}
		if p, ok := positionOf(event.Kwargs); ok {
			ours[p.key()] = append(ours[p.key()], p)
		}
	})
	if err != nil {
		return err
	}
	return r.compare(file+".chk", ours)
}

// positionOf returns the position and the time of day of a sentence that has both.
func positionOf(fields map[string]any) (p position, ok bool) {
	lat, hasLat := fields["lat"].(float64)
	lon, hasLon := fields["lon"].(float64)
	at, err := time.Parse("15:04:05", fmt.Sprint(fields["utc"]))
	return position{at, &lat, &lon}, hasLat && hasLon && err == nil
}

// compare compares each position of gpsd with those of the sentences of the same time, because gpsd uses one of these.
// It needs a file of gpsd.
func (r *result) compare(file string, ours map[string][]position) error {
	if _, err := os.Stat(file); err != nil {
		return nil
	}
	return scan(file, func(line string) {
		var want struct {
			Class string
			position
		}
		if json.Unmarshal([]byte(line), &want) != nil || want.Class != "TPV" || want.Lat == nil || want.Lon == nil {
			return
		}
		list := ours[want.key()]
		if want.Time.IsZero() || len(list) == 0 {
			return
		}
		r.compared++
		for _, p := range list {
			if math.Abs(*p.Lat-*want.Lat) < near && math.Abs(*p.Lon-*want.Lon) < near {
				return
			}
		}
		r.differ++
		fmt.Printf("%s: %f %f at %s, gpsd has %f %f\n", filepath.Base(file), *list[0].Lat, *list[0].Lon, want.key(), *want.Lat, *want.Lon)
	})
}

// scan calls each with the lines of a file.
func scan(file string, each func(line string)) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		each(strings.TrimRight(s.Text(), "\r"))
	}
	return s.Err()
}
