package installed

import (
	"fmt"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"runnel/transport/serial/pty"
)

// A user who has a centre and a gateway with a sensor types three commands at the gateway. The reading then reaches the
// centre and an MQTT broker, without edited files.
func TestThreeCommandsToTheFirstReading(t *testing.T) {
	needsMachines(t)
	n := newNetwork(t)
	centre := boot(t, n, "centre", "10.99.0.1 centre")
	gateway := boot(t, n, "gateway", "10.99.0.1 centre")
	for _, m := range []*machine{centre, gateway} {
		m.gets(t, packages[1])
	}

	centre.types(t, "apt-get install -y ./"+filepath.Base(packages[1]))
	told := centre.types(t, "runnel init centre --yes")
	pin := regexp.MustCompile(`--pin ([0-9a-f]{64})`).FindStringSubmatch(told)
	if pin == nil {
		t.Fatal("runnel init centre does not tell the pin")
	}
	centre.until(t, "runnel status", "tls://")
	token := regexp.MustCompile(`runnel-\S+`).FindString(centre.types(t, "runnel token new --role gateway --uses 200 --expires 24h"))
	centre.write(t, "/etc/mosquitto/conf.d/open.conf", "listener 1883 127.0.0.1\nallow_anonymous true\n")
	centre.run(t, "systemctl restart mosquitto")
	centre.write(t, "/etc/runnel/conf.d/broker.toml", "[[uplink]]\nname = \"broker\"\nurl = [\"mqtt://127.0.0.1\"]\n"+
		"  [[uplink.export]]\n  topic = \"com.example.\"\n  match = \"prefix\"\n")
	centre.run(t, "systemctl reload runnel")
	for name, command := range map[string]string{
		"wamp": "runnel sub com.example. --match prefix -n 1 --json",
		"mqtt": "mosquitto_sub -t com/example/# -C 1 -v",
	} {
		centre.run(t, "systemd-run --unit="+name+" sh -c 'exec "+command+" >/root/"+name+"'")
	}

	sensor(t, gateway, "/dev/ttyUSB0")
	gateway.types(t, "apt-get install -y ./"+filepath.Base(packages[1]))
	gateway.types(t, "runnel init gateway --yes --centre tls://centre:8443 --pin "+pin[1]+" --token "+token)
	gateway.types(t, "runnel serial add /dev/ttyUSB0 --yes")

	centre.until(t, "cat /root/wamp", "21.5")
	centre.until(t, "cat /root/mqtt", "21.5")
	if gateway.typed > 3 {
		t.Errorf("%d commands at the gateway, at most 3", gateway.typed)
	}
	centre.until(t, "runnel fleet ls", "gateway")
	if out, err := gateway.try("runnel doctor"); err != nil {
		t.Errorf("runnel doctor: %v\n%s", err, out)
	}
}

// sensor simulates a device at a port of the machine that prints a line of JSON repeatedly, like an Arduino.
func sensor(t *testing.T, m *machine, port string) {
	t.Helper()
	master, slave, err := pty.OpenAt(fmt.Sprintf("/proc/%d/root/dev/pts/ptmx", m.init))
	if err != nil {
		t.Fatal(err)
	}
	m.run(t, "chown root:dialout "+slave+" && chmod 660 "+slave+" && ln -s "+slave+" "+port)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for n := 0; ; n++ {
			if _, err := fmt.Fprintf(master, "{\"temperature\":21.5,\"n\":%d}\r\n", n); err != nil {
				return // it was unplugged
			}
			time.Sleep(500 * time.Millisecond)
		}
	}()
	t.Cleanup(func() { master.Close(); <-ended })
}
