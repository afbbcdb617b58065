package lines

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"runnel/test/devices"
	"runnel/test/kit"
	"runnel/test/program"
	"runnel/transport/serial/pty"
)

// detected lists the output for devices whose messages do not identify them, and their values. For all others the
// output is the profile's name.
var detected = map[string]struct {
	keys string
	want []map[string]any // nil: as with the profile
}{
	"nmea-0183":    {`format = "nmea"`, nil},
	"ublox":        {`format = "nmea"`, nil},
	"ublox-m9":     {`format = "nmea"`, nil},
	"arduino-json": {`format = "json"`, nil},
	"emontx":       {`format = "keyvalue"`, nil},
	"barcode":      {`format = "regexp"`, []map[string]any{{"text": "4006381333931"}}},
	"ezo-ph":       {`format = "csv"`, []map[string]any{{"value": 7.012}}},
	"ezo-rtd":      {`format = "csv"`, []map[string]any{{"value": -5.25}}},
	"ezo-orp":      {`format = "csv"`, []map[string]any{{"value": 209.6}}},
	"mysensors":    {`separator = ";"`, []map[string]any{{"value1": int64(12), "value2": int64(6), "value3": int64(1), "value4": int64(0), "value5": int64(0), "value6": 36.5}}},
}

// play lets a device send a text again and again until the test ends.
func play(t *testing.T, d *pty.Device, text string) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() {
		close(stop)
		d.Close()
		<-stopped
	})
	go func() {
		defer close(stopped)
		for {
			if _, err := d.Write([]byte(text)); err != nil {
				return
			}
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
}

// added returns a file with the configuration of a router, beside which "runnel serial add" writes those of lines.
func added(t *testing.T) (dir, file string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "lines-") // a Unix socket's path must be short
	kit.Must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	file = filepath.Join(dir, "runnel.toml")
	kit.Must(t, os.WriteFile(file, []byte(realm), 0o600))
	return dir, file
}

// each calls f for each name, for a few at a time.
func each(names []string, f func(name string)) {
	var all sync.WaitGroup
	few := make(chan struct{}, group)
	for _, name := range names {
		all.Go(func() {
			few <- struct{}{}
			defer func() { <-few }()
			f(name)
		})
	}
	all.Wait()
}

// output runs a command to its end. A pseudo-terminal may get the number of one that the router of another test has
// just lost, but still holds. output then repeats the command.
func output(args ...string) (stdout, stderr string, status int, err error) {
	for end := time.Now().Add(kit.Patience); ; {
		stdout, stderr, status, err = once(args...)
		if err != nil || status == 0 || !strings.Contains(stderr, "held by") || time.Now().After(end) {
			return stdout, stderr, status, err
		}
	}
}

func once(args ...string) (stdout, stderr string, status int, err error) {
	p, err := program.Start(runnel.Command(args...))
	if err != nil {
		return "", "", 0, err
	}
	status, err = p.Wait()
	return p.Stdout.Text(), p.Stderr.Text(), status, err
}

// has reports whether an event has the wanted values; those that are nil must be missing.
func has(kwargs, want map[string]any) bool {
	for key, v := range want {
		if !reflect.DeepEqual(kwargs[key], v) {
			return false
		}
	}
	return true
}

// group is how many devices are connected at once.
const group = 8

// Each device with a profile that sends by itself is recognized by its messages. With the configuration that "runnel
// serial add" prints and writes, its values are correct.
func TestDetectedDevices(t *testing.T) {
	for names := range slices.Chunk(slices.Sorted(maps.Keys(devices.Talkers)), group) {
		t.Run(names[0], func(t *testing.T) { detectAll(t, names) })
	}
}

func detectAll(t *testing.T, names []string) {
	dir, file := added(t)
	for _, name := range names {
		play(t, plug(t, filepath.Join(dir, name)), devices.Talkers[name].Text)
	}
	each(names, func(name string) {
		keys := "profile = \"" + name + "\""
		if d, ok := detected[name]; ok {
			keys = d.keys
		}
		stdout, stderr, status, err := output("serial", "add", filepath.Join(dir, name), "-c", file, "--yes", "--topic", "com.example."+strings.ReplaceAll(name, "-", "_"), "--each", "2s")
		if err != nil || status != 0 || !strings.Contains(stdout, "\n"+keys+"\n") {
			t.Errorf("%s: %d, %v, want %s in\n%s\n%s", name, status, err, keys, stdout, stderr)
		}
	})
	if t.Failed() {
		return
	}
	r := startWith(t, dir, file)
	events := r.hear(t)
	missing := map[string][]map[string]any{}
	for _, name := range names {
		want := devices.Talkers[name].Want
		if d := detected[name]; d.want != nil {
			want = d.want
		}
		missing["com.example."+strings.ReplaceAll(name, "-", "_")] = slices.Clone(want)
	}
	timeout := time.After(kit.Patience)
	for len(missing) > 0 {
		select {
		case e := <-events:
			missing[e.topic] = slices.DeleteFunc(missing[e.topic], func(want map[string]any) bool { return has(e.kwargs, want) })
			if len(missing[e.topic]) == 0 {
				delete(missing, e.topic)
			}
		case <-timeout:
			t.Fatalf("missing: %v", missing)
		}
	}
}

// The probe prints the table that "runnel serial add" writes.
func TestProbeOfKnownDevice(t *testing.T) {
	link := filepath.Join(t.TempDir(), "sml")
	play(t, plug(t, link), devices.Talkers["sml"].Text)
	stdout, stderr, status, err := output("serial", "probe", link)
	if err != nil || status != 0 || !strings.Contains(stdout, "\nprofile = \"sml\"\nbaud = 115200\ntopic = \"com.example.sml\"\n") || !strings.Contains(stderr, "messages of a known device: profile sml") {
		t.Errorf("%d, %v\n%s\n%s", status, err, stdout, stderr)
	}
}

// A Modbus device that is added by its profile has the right values.
func TestAddedSlaves(t *testing.T) {
	for names := range slices.Chunk(slices.Sorted(maps.Keys(devices.Slaves)), group) {
		t.Run(names[0], func(t *testing.T) { addAll(t, names) })
	}
}

func addAll(t *testing.T, names []string) {
	dir, file := added(t)
	for _, name := range names {
		answer(t, plug(t, filepath.Join(dir, name)), []devices.Slave{devices.Slaves[name]})
	}
	each(names, func(name string) {
		topic := "com.example." + strings.ReplaceAll(name, "-", "_") + ".{name}"
		if stdout, stderr, status, err := output("serial", "add", filepath.Join(dir, name), "-c", file, "--yes", "--profile", name, "--topic", topic); err != nil || status != 0 {
			t.Errorf("%s: %d, %v\n%s\n%s", name, status, err, stdout, stderr)
		}
	})
	if t.Failed() {
		return
	}
	r := startWith(t, dir, file)
	events := r.hear(t)
	missing := map[string]any{}
	for _, name := range names {
		for value, want := range devices.Slaves[name].Want {
			missing["com.example."+strings.ReplaceAll(name, "-", "_")+"."+value] = want
		}
	}
	timeout := time.After(kit.Patience)
	for len(missing) > 0 {
		select {
		case e := <-events:
			if want, ok := missing[e.topic]; ok && reflect.DeepEqual(e.kwargs["value"], want) {
				delete(missing, e.topic)
			}
		case <-timeout:
			t.Fatalf("missing: %v", missing)
		}
	}
}

// The slaves on a bus are found, with the profiles that fit: as a meter shares its registers with others of its family, these too.
func TestScan(t *testing.T) {
	link := filepath.Join(t.TempDir(), "bus")
	at := func(slave byte, name string) devices.Slave {
		d := devices.Slaves[name]
		d.Slave = slave
		return d
	}
	answer(t, plug(t, link), []devices.Slave{at(2, "sdm120"), at(17, "xy-md02"), at(18, "sdm630"), at(30, "waveshare-relay"), at(31, "em340")})
	stdout, stderr, status, err := output("serial", "scan", link, "--slaves", "31,2,17-18,30", "--timeout", "30s")
	const want = `SLAVE  PROFILES THAT FIT
2      sdm120, sdm220, sdm230
17     sht20, xy-md02
18     sdm630
30     waveshare-relay
31     em340
`
	if err != nil || status != 0 || stdout != want || !strings.Contains(stderr, "asking 5 slaves at 9600 baud, 8N1; this takes at most 5m") ||
		!strings.Contains(stderr, "runnel serial add "+link+" --profile sdm120 --slave 2\n") {
		t.Errorf("%d, %v\n%s\n%s", status, err, stdout, stderr)
	}
	if stdout, stderr, status, err := output("serial", "scan", link, "--slaves", "5", "--timeout", "1ms"); err != nil || status != 1 || stdout != "" || !strings.Contains(stderr, "no slave answers") {
		t.Errorf("%d, %v\n%s\n%s", status, err, stdout, stderr)
	}
	for _, list := range []string{"0", "255", "5-4", "1,,2", "x", ""} {
		if _, stderr, status, err := output("serial", "scan", link, "--slaves", list); err != nil || status != 2 || !strings.Contains(stderr, "is not a list of slaves from 1 to 254") {
			t.Errorf("%q: %d, %v\n%s", list, status, err, stderr)
		}
	}
}

// answer runs simulated slaves until the test ends. A slave rejects a request with another function.
func answer(t *testing.T, d *pty.Device, slaves []devices.Slave) {
	stopped := make(chan struct{})
	t.Cleanup(func() {
		d.Close()
		<-stopped
	})
	go func() {
		defer close(stopped)
		for request := make([]byte, 0, 8); ; {
			n, err := d.Read(request[len(request):8])
			if err != nil {
				return
			}
			if request = request[:len(request)+n]; len(request) < 8 {
				continue
			}
			for _, s := range slaves {
				switch {
				case request[0] == s.Slave && request[1] == s.Function:
					d.Write(s.Registers.Answer(request))
				case request[0] == s.Slave:
					d.Write(devices.Reject(request))
				}
			}
			request = request[:0]
		}
	}()
}
