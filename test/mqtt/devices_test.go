package mqtt

import (
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

const deviceRealm = `
version = 1
[node]
id = "gw"
data = %q
[[realm]]
name = "realm1"
anonymous = "everyone"
  [[realm.role]]
  name = "everyone"
  durable = true
    [[realm.role.permission]]
    uri = ""
    match = "prefix"
    allow = ["publish", "subscribe", "call", "register"]
[[listen]]
url = "tcp://127.0.0.1:0"
[[listen]]
url = "mqtt://127.0.0.1:0"
`

// newDoor starts a runnel with a listener for MQTT clients, and returns the listener as a broker.
func newDoor(t *testing.T) (*gateway, *broker) {
	t.Helper()
	dir := t.TempDir()
	g := &gateway{t: t, file: filepath.Join(dir, "runnel.toml")}
	write(t, g.file, fmt.Sprintf(deviceRealm, dir))
	return g, g.open()
}

// open starts the router, again after kill.
func (g *gateway) open() *broker {
	g.t.Helper()
	g.restart()
	var found []string
	kit.Eventually(g.t, "both listeners", func() bool {
		found = nil
		for _, m := range listening.FindAllStringSubmatch(g.Stderr.Text(), -1) {
			found = append(found, m[1])
		}
		return len(found) == 2
	})
	b := new(broker)
	for _, text := range found {
		u, err := url.Parse(text)
		kit.Must(g.t, err)
		if strings.HasPrefix(u.Scheme, "mqtt") {
			b.port, err = strconv.Atoi(u.Port())
			kit.Must(g.t, err)
		} else {
			g.url = text
		}
	}
	return b
}

// Messages of devices, after their documentation: topic and payload.
var traffic = [][2]string{
	{"tele/plug 7/LWT", "Online"}, // Tasmota
	{"tele/plug 7/SENSOR", `{"Time":"2026-11-29T10:00:00","ENERGY":{"Total":12.340,"Power":7,"Factor":0.50},"TempUnit":"C"}`},
	{"stat/plug 7/POWER", "ON"},
	{"shellies/shelly1-AB12/relay/0", "off"}, // Shelly
	{"shellies/shelly1-AB12/info", `{"wifi_sta":{"connected":true,"rssi":-61},"uptime": 12,"temperature":41.20}`},
	{"shellyplus1-a8/events/rpc", `{"src":"shellyplus1-a8","dst":"a/events","method":"NotifyStatus","params":{"ts":1764410000.13,"switch:0":{"id":0,"output":true}}}`},
	{"kitchen/sensor/temperature/state", "21.50"}, // ESPHome
	{"homeassistant/sensor/kitchen/temperature/config", `{"unit_of_meas":"°C","stat_t":"kitchen/sensor/temperature/state","uniq_id":"ESP1"}`},
	{"zigbee2mqtt/0x00158d0001", `{"battery":100,"linkquality":120,"temperature":21.3,"voltage":3015}`}, // Zigbee2MQTT
	{"zigbee2mqtt/bridge/state", `{"state":"online"}`},
	{"/leading/slash/1.5", "x"},
}

// Traffic of devices passes the realm byte for byte, with mosquitto's clients, live and retained, and WAMP programs get it.
func TestDevices(t *testing.T) {
	t.Parallel()
	g, b := newDoor(t)
	c := g.join()
	here := listen(t, c, "", client.SubscribeOptions{Match: wamp.Prefix})
	for qos := range 3 {
		w := watch(t, b, "#", qos)
		for _, m := range traffic {
			tell(t, b, m[0], m[1]+"\n", "-r")
			w.gets(t, fmt.Sprintf("%s|%d|0|%s", m[0], min(qos, 1), m[1]))
		}
	}
	here.receives(t, "kitchen.sensor.temperature.state [21.5] map[] false")
	late := watch(t, b, "+/+/#", 1, "-V", "5")
	for _, m := range traffic {
		if strings.Count(m[0], "/") > 0 {
			late.gets(t, fmt.Sprintf("%s|1|1|%s", m[0], m[1]))
		}
	}
	say(t, c, "cmnd.plug%207.POWER", client.PublishOptions{}, client.Args([]byte("OFF")))
	late.gets(t, "cmnd/plug 7/POWER|1|0|OFF")
}

// A session outlives the router; a will is published; a mosquitto links as a bridge.
func TestDeviceSessions(t *testing.T) {
	t.Parallel()
	g, b := newDoor(t)
	session := []string{"-c", "-i", "device-1"}
	w := watch(t, b, "kept/#", 1, session...)
	w.Kill()
	tell(t, b, "kept/a", "one\ntwo\n")
	g.Kill()
	b = g.open()
	tell(t, b, "kept/b", "three\n")
	w = watch(t, b, "kept/#", 1, session...)
	for _, line := range []string{"kept/a|1|0|one", "kept/a|1|0|two", "kept/b|1|0|three"} {
		w.gets(t, line)
	}
	last := watch(t, b, "last/#", 1)
	watch(t, b, "none", 0, "--will-topic", "last/will", "--will-payload", "gone").Kill()
	last.gets(t, "last/will|0|0|gone")

	far := mosquitto(t, fmt.Sprintf("allow_anonymous true\nconnection up\naddress 127.0.0.1:%d\ntopic # both 1\n", b.port))
	there := watch(t, far, "#", 1)
	kit.Eventually(t, "the bridge", func() bool {
		tell(t, b, "down/x", "1\n")
		return strings.Contains(there.Stdout.Text(), "down/x|1|0|1\n")
	})
	up := watch(t, b, "up/#", 1)
	tell(t, far, "up/x", "2\n")
	up.gets(t, "up/x|1|0|2")
}

const secureDoor = `
  [[realm.principal]]
  authid = "pump"
  role = "everyone"
  certificate = "pump-7"
  [[realm.principal]]
  authid = "panel"
  role = "everyone"
  ticket = "correct horse"
[[listen]]
url = "tcp://127.0.0.1:0"
[[listen]]
url = "mqtts://127.0.0.1:0"
certificate = "router.pem"
key = "router.key"
client_ca = "ca.pem"
`

// Over TLS a device is known by its certificate or by its password, and a stranger is refused.
func TestDeviceTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	kit.Certificates(t, dir, "127.0.0.1", "router", "pump-7")
	realm, _, _ := strings.Cut(strings.Replace(fmt.Sprintf(deviceRealm, dir), `anonymous = "everyone"`, "", 1), "[[listen]]")
	g := &gateway{t: t, file: filepath.Join(dir, "runnel.toml")}
	write(t, g.file, realm+secureDoor)
	b := g.open()
	ca := []string{"--cafile", filepath.Join(dir, "ca.pem")}
	pump := watch(t, b, "pump/#", 1, append(slices.Clip(ca), "--cert", filepath.Join(dir, "pump-7.pem"), "--key", filepath.Join(dir, "pump-7.key"))...)
	tell(t, b, "pump/set", "1\n", append(slices.Clip(ca), "-u", "panel", "-P", "correct horse")...)
	pump.gets(t, "pump/set|1|0|1")
	for answer, args := range map[string][]string{"not authorised": ca, "bad user name or password": append(slices.Clip(ca), "-u", "panel", "-P", "wrong")} {
		args = append([]string{"-h", "127.0.0.1", "-p", strconv.Itoa(b.port), "-t", "pump/set", "-q", "1", "-m", "2"}, args...)
		if out, err := exec.Command("mosquitto_pub", args...).CombinedOutput(); err == nil || !strings.Contains(string(out), answer) {
			t.Errorf("not refused with %q: %v\n%s", answer, err, out)
		}
	}
}

// paho's Python client passes messages of each QoS, retained and queued ones, and a will, with MQTT 3.1.1 and 5.
func TestDevicePaho(t *testing.T) {
	t.Parallel()
	if exec.Command("/usr/bin/python3", "-c", "import paho.mqtt.client").Run() != nil {
		t.Fatal("python3-paho-mqtt is missing")
	}
	_, b := newDoor(t)
	for _, version := range []string{"4", "5"} {
		out, err := exec.Command("/usr/bin/python3", "-c", pahoScript, strconv.Itoa(b.port), version).CombinedOutput()
		if err != nil || string(out) != pahoOutput {
			t.Errorf("version %s: %v\n%s", version, err, out)
		}
	}
}

const pahoOutput = `0 a
1 b
2 c
retained r
session True
queued 1 q1
queued 2 q2
will gone
`

const pahoScript = `
import sys, threading, queue
import paho.mqtt.client as mqtt
from paho.mqtt.properties import Properties
from paho.mqtt.packettypes import PacketTypes
port, version = int(sys.argv[1]), int(sys.argv[2])
args = {} if not hasattr(mqtt, "CallbackAPIVersion") else {"callback_api_version": mqtt.CallbackAPIVersion.VERSION1}
top = "paho/%d/" % version
class Client:
    def __init__(self, name, lasting=False, will=None):
        self.got, self.up, self.subscribed = queue.Queue(), queue.Queue(), queue.Queue()
        kw = {} if version == 5 else {"clean_session": not lasting}
        c = self.c = mqtt.Client(client_id="%s-%d" % (name, version), protocol=version, **kw, **args)
        c.on_message = lambda c, u, m: self.got.put(m)
        c.on_connect = lambda c, u, flags, *a: self.up.put(flags)
        c.on_subscribe = lambda *a: self.subscribed.put(1)
        if will: c.will_set(will, "gone", qos=1)
        kw = {}
        if version == 5:
            kw = {"clean_start": not lasting, "properties": Properties(PacketTypes.CONNECT)}
            if lasting: kw["properties"].SessionExpiryInterval = 600
        c.connect("127.0.0.1", port, **kw)
        c.loop_start()
        self.present = bool(self.up.get(timeout=60)["session present"])
    def sub(self, topic):
        self.c.subscribe(topic, qos=2)
        self.subscribed.get(timeout=60)
    def pub(self, topic, text, **kw): self.c.publish(topic, text, **kw).wait_for_publish()
    def take(self): return self.got.get(timeout=60)
    def leave(self):
        self.c.disconnect()
        self.c.loop_stop()
a, b = Client("a"), Client("b")
a.sub(top + "x")
for qos, text in enumerate("abc"): b.pub(top + "x", text, qos=qos)
for m in sorted([a.take() for _ in "abc"], key=lambda m: m.qos): print(m.qos, m.payload.decode())
b.pub(top + "kept", "r", qos=1, retain=True)
a.sub(top + "kept")
m = a.take()
print("retained" if m.retain else "live", m.payload.decode())
b.pub(top + "kept", "", qos=1, retain=True)
a.take()
l = Client("lasting", True)
l.sub(top + "queue")
l.leave()
for qos in 1, 2: b.pub(top + "queue", "q%d" % qos, qos=qos)
l = Client("lasting", True, will=top + "will")
print("session", l.present)
for _ in 1, 2:
    m = l.take()
    print("queued", m.qos, m.payload.decode())
b.sub(top + "will")
l.c.socket().shutdown(2)
print("will", b.take().payload.decode())
`
