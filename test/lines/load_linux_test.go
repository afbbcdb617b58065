package lines

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/devices"
	"runnel/test/kit"
	"runnel/test/program"
	"runnel/transport/serial/pty"
)

// loadEnv asks for TestLoad, which measures: RUNNEL_LINES_LOAD=10s.
const loadEnv = "RUNNEL_LINES_LOAD"

// TestLoad measures the cost of a line: 16 devices print as fast as 115,200 baud allow, each a publisher at one router. It
// fails if a reading is lost.
func TestLoad(t *testing.T) {
	during, err := time.ParseDuration(os.Getenv(loadEnv))
	if err != nil {
		t.Skipf("%s is not set", loadEnv)
	}
	const devices, octets = 16, 11520
	dir := t.TempDir()
	var config strings.Builder
	var all []*pty.Device
	for i := range devices {
		link := filepath.Join(dir, fmt.Sprint("tty", i))
		all = append(all, plug(t, link))
		config.WriteString(line(fmt.Sprint("line", i), link, fmt.Sprintf("format = \"csv\"\ncolumns = [\"n\", \"temperature\", \"humidity\"]\ntopic = \"com.example.line%d\"", i)))
	}
	r := start(t, config.String())
	var received atomic.Int64
	_, err = r.Subscribe(t.Context(), "com.example.", client.SubscribeOptions{Match: wamp.Prefix}, func(*client.Event) { received.Add(1) })
	kit.Must(t, err)
	for i := range devices {
		r.opened(t, fmt.Sprint("line", i), 1)
	}
	measure(t, r, &received, devices, func(i int) int64 { return talk(t, all[i], octets, during) })
}

// TestProfileLoad measures the same with four kinds of telegrams that profiles describe: text with a CRC, text with a
// check of each line, SML, and short binary frames.
func TestProfileLoad(t *testing.T) {
	during, err := time.ParseDuration(os.Getenv(loadEnv))
	if err != nil {
		t.Skipf("%s is not set", loadEnv)
	}
	const lines, octets = 16, 11520
	profiles := []string{"dsmr-v5", "linky-standard", "sml", "sds011"}
	dir := t.TempDir()
	var config strings.Builder
	var all []*pty.Device
	for i := range lines {
		link := filepath.Join(dir, fmt.Sprint("tty", i))
		all = append(all, plug(t, link))
		fmt.Fprintf(&config, "[[serial]]\nname = \"line%d\"\ndevice = %q\nprofile = %q\ntopic = \"com.example.line%d\"\nrole = \"sensor\"\n", i, link, profiles[i%len(profiles)], i)
	}
	r := start(t, config.String())
	var received atomic.Int64
	_, err = r.Subscribe(t.Context(), "com.example.", client.SubscribeOptions{Match: wamp.Prefix}, func(*client.Event) { received.Add(1) })
	kit.Must(t, err)
	for i := range lines {
		r.opened(t, fmt.Sprint("line", i), 1)
	}
	measure(t, r, &received, lines, func(i int) (n int64) {
		one := devices.Talkers[profiles[i%len(profiles)]]
		written := 0
		for began := time.Now(); time.Since(began) < during; time.Sleep(5 * time.Millisecond) {
			for written < int(octets*time.Since(began).Seconds()) {
				say(t, all[i], one.Text)
				written += len(one.Text)
				n += int64(len(one.Want))
			}
		}
		return n
	})
}

// TestLinkLoad measures the same with devices that are peers over the link. Each publishes 100 times a second, which takes
// some 11,000 octets on the wire.
func TestLinkLoad(t *testing.T) {
	during, err := time.ParseDuration(os.Getenv(loadEnv))
	if err != nil {
		t.Skipf("%s is not set", loadEnv)
	}
	const devices, rate = 16, 100
	dir := t.TempDir()
	var config strings.Builder
	var all []*client.Client
	for i := range devices {
		near, far := filepath.Join(dir, fmt.Sprint("near", i)), filepath.Join(dir, fmt.Sprint("far", i))
		a, b := plug(t, near), plug(t, far)
		go io.Copy(a, b)
		go io.Copy(b, a)
		fmt.Fprintf(&config, "[[serial]]\nname = \"line%d\"\ndevice = %q\nrole = \"sensor\"\n", i, near)
	}
	r := start(t, config.String())
	for i := range devices {
		all = append(all, r.join(t, "serial://"+filepath.Join(dir, fmt.Sprint("far", i))+"?framing=hdlc"))
	}
	var received atomic.Int64
	_, err = r.Subscribe(t.Context(), "com.example.", client.SubscribeOptions{Match: wamp.Prefix}, func(*client.Event) { received.Add(1) })
	kit.Must(t, err)
	measure(t, r, &received, devices, func(i int) (n int64) {
		for began := time.Now(); time.Since(began) < during; time.Sleep(time.Millisecond) {
			for float64(n) < rate*time.Since(began).Seconds() {
				if err := all[i].Publish(t.Context(), "com.example.reading", client.PublishOptions{}, client.Args(n, strings.Repeat("x", 64))); err != nil {
					t.Error(err)
				}
				n++
			}
		}
		return n
	})
}

// measure runs the devices and prints the cost.
func measure(t *testing.T, r *router, received *atomic.Int64, devices int, talk func(i int) int64) {
	t.Helper()
	before, began := cpu(t, r.PID()), time.Now()
	var sent atomic.Int64
	var talking sync.WaitGroup
	for i := range devices {
		talking.Go(func() { sent.Add(talk(i)) })
	}
	talking.Wait()
	kit.Eventually(t, "all readings", func() bool { return received.Load() == sent.Load() })
	took, used, memory := time.Since(began), cpu(t, r.PID())-before, program.Resident(r.PID())
	t.Logf("%d lines, %.0f readings/s a line, %.2f %% of a processor a line, %.1f us a reading; memory %d KiB, of which a line %d KiB",
		devices, float64(sent.Load())/took.Seconds()/float64(devices), 100*used.Seconds()/took.Seconds()/float64(devices),
		float64(used.Microseconds())/float64(sent.Load()), memory>>10, (memory-bare(t))>>10/devices)
}

// talk prints numbered lines at a rate of octets a second, and returns how many.
func talk(t *testing.T, d *pty.Device, rate int, during time.Duration) (n int64) {
	say(t, d, "half a line\n")
	written := 0
	for began := time.Now(); time.Since(began) < during; time.Sleep(5 * time.Millisecond) {
		for written < int(float64(rate)*time.Since(began).Seconds()) {
			text := fmt.Sprintf("%d,21.5,40.25\r\n", n)
			say(t, d, text)
			written += len(text)
			n++
		}
	}
	return n
}

// bare returns the memory of a router without lines.
func bare(t *testing.T) int { return program.Resident(start(t, "").PID()) }

// cpu returns the processor time that a process has used.
func cpu(t *testing.T, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	kit.Must(t, err)
	_, rest, _ := strings.Cut(string(text), ") ") // the name before may hold anything
	fields := strings.Fields(rest)
	ticks := 0
	for _, field := range fields[11:13] { // utime and stime, in hundredths of a second
		n, err := strconv.Atoi(field)
		kit.Must(t, err)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
