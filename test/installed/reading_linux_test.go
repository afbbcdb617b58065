package installed

import (
	"path/filepath"
	"regexp"
	"testing"
)

// A user who has a centre and a gateway with a sensor types three commands at the gateway, edits nothing, and has the reading
// at the centre and at an MQTT broker.
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

	// The sensor prints a line of JSON, as an Arduino does.
	gateway.run(t, `systemd-run --unit=sensor socat PTY,link=/dev/ttyUSB0,raw,echo=0,perm=0660,group=dialout \
		SYSTEM:'n=0; while :; do n=$((n+1)); printf "{\\"temperature\\":21.5,\\"n\\":%d}\\r\\n" $n; sleep 0.5; done'`)
	gateway.until(t, "ls /dev/ttyUSB0", "ttyUSB0")

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
