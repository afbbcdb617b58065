package config

import (
	"context"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/cmd/runnel/internal/config/profiles"
	"runnel/test/devices"
	"runnel/transport/serial/lines"
	"runnel/transport/serial/modbus"
	"runnel/transport/serial/reading"
)

const profileBase = "version = 1\n[[realm]]\nname = \"realm1\"\nanonymous = \"sensor\"\n[[realm.role]]\nname = \"sensor\"\n[[realm.role.permission]]\nuri = \"\"\nmatch = \"prefix\"\nallow = [\"publish\", \"register\"]\n"

// profiled returns the line of a device that the configuration names by its profile.
func profiled(t *testing.T, name, topic, more string) *Serial {
	t.Helper()
	c, err := Parse("runnel.toml", profileBase+"[[serial]]\nname = \"x\"\ndevice = \"/dev/ttyUSB0\"\nprofile = \""+name+"\"\ntopic = \""+topic+"\"\n"+more)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) > 0 {
		t.Error(c.Warnings)
	}
	return &c.Serials[0]
}

func TestBusProfiles(t *testing.T) {
	for name, d := range devices.Slaves {
		t.Run(name, func(t *testing.T) {
			s := profiled(t, name, "com.example.{name}", "")
			synctest.Test(t, func(t *testing.T) {
				m, err := modbus.New(s.ModbusConfig())
				if err != nil {
					t.Fatal(err)
				}
				port, device := net.Pipe()
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					request := make([]byte, 8)
					for {
						if _, err := io.ReadFull(device, request); err != nil {
							return
						}
						if request[0] != d.Slave || request[1] != d.Function {
							t.Errorf("slave %d, function %d: want %d, %d", request[0], request[1], d.Slave, d.Function)
						}
						time.Sleep(5 * time.Millisecond)
						device.Write(d.Registers.Answer(request))
					}
				}()
				got := map[string]any{}
				time.AfterFunc(5*time.Minute, func() { device.Close() })
				m.Run(port, func(e reading.Event) {
					got[e.Kwargs["name"].(string)] = e.Kwargs["value"]
					if want := "com.example." + e.Kwargs["name"].(string); e.Topic != want {
						t.Errorf("topic %s, want %s", e.Topic, want)
					}
				})
				<-ended
				if !reflect.DeepEqual(got, d.Want) {
					t.Errorf("%v\nwant %v", got, d.Want)
				}
			})
		})
	}
}

func TestLineProfiles(t *testing.T) {
	for name, d := range devices.Talkers {
		t.Run(name, func(t *testing.T) {
			s := profiled(t, name, "com.example.x", "")
			synctest.Test(t, func(t *testing.T) {
				p, err := lines.New(s.LinesConfig())
				if err != nil {
					t.Fatal(err)
				}
				port, device := net.Pipe()
				asked := make(chan string, 100)
				go func() {
					if time.Sleep(5 * time.Second); d.Ask != "" { // the port was silent before, so that the first line is whole
						if got := <-asked; got != d.Ask {
							t.Errorf("asked %q, want %q", got, d.Ask)
						}
					}
					device.Write([]byte(d.Text))
					device.Close()
				}()
				sensor := lines.NewSensor(p, nil)
				sensor.Send = func(_ context.Context, request []byte) error {
					asked <- string(request)
					return nil
				}
				var got []map[string]any
				defer port.Close()
				sensor.Run(port, func(e reading.Event) { got = append(got, e.Kwargs) })
				if len(got) != len(d.Want) || sensor.State().Bad > 0 || sensor.State().BadFields > 0 {
					t.Fatalf("%v, want %v; %+v", got, d.Want, sensor.State())
				}
				for i, want := range d.Want {
					for key, v := range want {
						if !reflect.DeepEqual(got[i][key], v) {
							t.Errorf("%s = %v (%T), want %v (%T) in %v", key, got[i][key], got[i][key], v, v, got[i])
						}
					}
				}
			})
		})
	}
}

// Every profile is valid and has a test with its device. Its printed table configures the same line as its name.
func TestProfilesAreTested(t *testing.T) {
	list, err := Profiles("/nowhere/runnel.toml")
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != len(profiles.Names()) || len(list) < 20 {
		t.Fatalf("%d profiles", len(list))
	}
	for _, p := range list {
		_, bus := devices.Slaves[p.Name]
		_, text := devices.Talkers[p.Name]
		if !bus && !text {
			t.Errorf("%s: no test with the device", p.Name)
		}
		if p.Description == "" || len(p.Serials) != 1 {
			t.Errorf("%s: %+v", p.Name, p)
		}
		c, err := Parse(p.Name, profileBase+p.Start())
		if err != nil || len(c.Warnings) > 0 {
			t.Errorf("%s: %v %v\n%s", p.Name, err, c.Warnings, p.Start())
			continue
		}
		s := profiled(t, p.Name, c.Serials[0].Topic, "")
		s.Profile, s.Name = "", c.Serials[0].Name
		if !Equal(*s, c.Serials[0]) {
			t.Errorf("%s: the printed table says something else\n%s", p.Name, p.Start())
		}
		if strings.Contains(p.Start(), "description") {
			t.Error(p.Start())
		}
	}
}
