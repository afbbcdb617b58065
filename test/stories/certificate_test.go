package stories

import (
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"runnel/test/kit"
)

// selfSigned writes NAME.pem and NAME.key: a certificate for 127.0.0.1 with a lifetime of ninety days, which expires after the
// given time.
func selfSigned(t *testing.T, dir, name string, left time.Duration) {
	t.Helper()
	end := time.Now().Add(left)
	made, err := kit.Sign(name, x509.Certificate{NotBefore: end.Add(-90 * 24 * time.Hour), NotAfter: end, IsCA: true}, nil)
	kit.Must(t, err)
	_, _, err = kit.WritePair(dir, name, made)
	kit.Must(t, err)
}

// metric reads one metric of a router; ok is false if it has none of that name.
func metric(t *testing.T, url, name string) (value float64, ok bool) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^` + name + `(?:\{.*\})? (\S+)$`).FindSubmatch(text)
	if found == nil {
		return 0, false
	}
	value, err = strconv.ParseFloat(string(found[1]), 64)
	return value, err == nil
}

// alarms returns the certificate alarms in a router's status.
func alarms(t *testing.T, r *router) string {
	t.Helper()
	type part struct {
		Certificate *struct{ Alarm string }
	}
	var report struct{ Listeners, Uplinks []part }
	r.status(t, &report)
	var list []string
	for _, p := range append(report.Listeners, report.Uplinks...) {
		if p.Certificate != nil && p.Certificate.Alarm != "" {
			list = append(list, p.Certificate.Alarm)
		}
	}
	return strings.Join(list, "\n")
}

const (
	day = 24 * time.Hour
	tls = "[[listen]]\nurl = \"tls://127.0.0.1:0\"\ncertificate = \"router.pem\"\nkey = \"router.key\"\n"
)

// serveTLS is serve with a TLS listener whose certificate expires after the given time.
func serveTLS(t *testing.T, left time.Duration, more string) (r *router, url, metrics string) {
	t.Helper()
	r = serve(t, "[metrics]\nurl = \"http://127.0.0.1:0/metrics\"\n")
	metrics = r.logs(`metrics.* url=(\S+)`)[1]
	selfSigned(t, r.dir, "router", left)
	r.change(t, patient, patient+tls+more)
	r.reload(t).expect(t, 0, "listener tls://", "")
	return r, r.logs(`msg=listening url=(tls://\S+)`)[1], metrics
}

// A certificate that has expired, or will soon, shows everywhere.
func TestCertificateExpires(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		left time.Duration
		want string
	}{{-time.Hour, "certificate expired on "}, {3 * day, "certificate expires on "}} {
		r, _, metrics := serveTLS(t, c.left, "")
		r.logs(`certificate needs attention" listener=tls.*` + c.want)
		if got := alarms(t, r); !strings.Contains(got, c.want) {
			t.Errorf("status: %q, want %q", got, c.want)
		}
		runnel(t, "status", "--url", r.unix).expect(t, 0, "ALARM: the "+c.want, "")
		left, ok := metric(t, metrics, "runnel_listener_certificate_expiry_seconds")
		if !ok || left > c.left.Seconds() || left < c.left.Seconds()-3600 {
			t.Errorf("%v seconds are left, want %v", left, c.left.Seconds())
		}
		if alarm, _ := metric(t, metrics, "runnel_listener_certificate_alarm"); alarm != 1 {
			t.Error("no alarm in the metrics")
		}
		runnel(t, "check", "-c", filepath.Join(r.dir, "runnel.toml")).expect(t, 0, "is valid", "listen.certificate: the "+c.want)
	}
}

// A failed renewal is reported, and the listener keeps its certificate. A successful renewal takes effect at once.
func TestCertificateRenewal(t *testing.T) {
	t.Parallel()
	r, url, metrics := serveTLS(t, 60*day, "")
	reached := func() {
		t.Helper()
		runnel(t, "pub", "story.a", "--ack", "--url", url, "--ca", filepath.Join(r.dir, "used.pem")).expect(t, 0, "", "")
	}
	use := func(name string) {
		b, err := os.ReadFile(filepath.Join(r.dir, name+".pem"))
		if err != nil {
			t.Fatal(err)
		}
		write(t, r.dir, "used.pem", string(b))
	}
	use("router")
	reached()
	if got := alarms(t, r); got != "" {
		t.Errorf("alarm: %s", got)
	}
	selfSigned(t, r.dir, "other", 80*day)
	for what, fail := range map[string]func(){
		"gone":         func() { os.Remove(filepath.Join(r.dir, "router.key")) },
		"another key":  func() { os.Rename(filepath.Join(r.dir, "other.key"), filepath.Join(r.dir, "router.key")) },
		"no key in it": func() { write(t, r.dir, "router.key", "nonsense") },
	} {
		fail()
		kit.Eventually(t, "the alarm: "+what, func() bool { return strings.Contains(alarms(t, r), "cannot be used") })
		r.logs(`certificate needs attention" listener=tls.*cannot be used`)
		reached()
		runnel(t, "reload", "--url", r.unix).expect(t, 3, "", "listen.")
	}
	selfSigned(t, r.dir, "router", 70*day)
	r.logs(`certificate renewed" listener=tls`)
	use("router")
	reached()
	if got := alarms(t, r); got != "" {
		t.Errorf("alarm: %s", got)
	}
	if left, _ := metric(t, metrics, "runnel_listener_certificate_expiry_seconds"); left < (65 * day).Seconds() {
		t.Errorf("%v seconds are left", left)
	}
	runnel(t, "reload", "--url", r.unix).expect(t, 0, "listener tls://127.0.0.1:0: new certificate\n", "")
}

// The same for the client certificate of an uplink.
func TestUplinkCertificate(t *testing.T) {
	t.Parallel()
	r, url, metrics := serveTLS(t, 60*day, "")
	selfSigned(t, r.dir, "client", 2*day)
	r.change(t, patient, patient+"[[uplink]]\nname = \"central\"\nurl = \""+url+"\"\nca = \"router.pem\"\ncertificate = \"client.pem\"\nkey = \"client.key\"\n[[uplink.export]]\ntopic = \"story.a\"\n")
	runnel(t, "check", "-c", filepath.Join(r.dir, "runnel.toml")).expect(t, 0, "is valid", "uplink.certificate: the certificate expires on ")
	r.reload(t).expect(t, 0, "uplink central started", "")
	r.logs(`certificate needs attention" uplink=central.*expires on`)
	if left, ok := metric(t, metrics, "runnel_uplink_certificate_expiry_seconds"); !ok || left > (2*day).Seconds() {
		t.Errorf("%v seconds are left", left)
	}
	runnel(t, "status", "--url", r.unix).expect(t, 0, "ALARM: the certificate expires on ", "")
	selfSigned(t, r.dir, "client", 60*day)
	r.logs(`certificate renewed" uplink=central`)
	kit.Eventually(t, "the alarm to end", func() bool { return alarms(t, r) == "" })
}
