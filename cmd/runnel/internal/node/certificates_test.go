package node

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/test/kit"
	"runnel/transport"
)

// A renewal and the end of a problem are logged once, and a problem that lasts once a day.
func TestCertificateLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		n := &Node{log: slog.New(slog.NewTextHandler(&log, nil))}
		w := new(watched)
		year := time.Now().AddDate(1, 0, 0)
		fine := transport.Certificate{Serial: "1", NotBefore: time.Now(), NotAfter: year}
		renewed, expired, troubled := fine, fine, fine
		renewed.Serial, expired.NotAfter, troubled.Trouble = "2", time.Now(), "the key does not match"
		step := func(what string, c transport.Certificate, after time.Duration, want string) {
			t.Helper()
			time.Sleep(after)
			log.Reset()
			n.logCertificate(w, c, []any{"listener", "tls://x"})
			if got := log.String(); (got == "") != (want == "") || !strings.Contains(got, want) || want != "" && !strings.Contains(got, "listener=tls://x") {
				t.Errorf("%s: %q, not %q", what, got, want)
			}
		}
		step("at first", fine, 0, "")
		step("the same", fine, time.Hour, "")
		step("renewed", renewed, time.Hour, "certificate renewed")
		step("half of a renewal", troubled, 0, "certificate renewed") // the other serial
		step("still half", troubled, certificateGrace-time.Millisecond, "")
		step("it lasts", troubled, time.Millisecond, "certificate needs attention")
		step("it lasts, told already", troubled, certificateRepeat-time.Millisecond, "")
		step("a day later", troubled, time.Millisecond, "certificate needs attention")
		step("mended", fine, time.Hour, "certificate is valid again")
		step("half of a renewal, mended in time", troubled, time.Hour, "")
		step("mended in time", fine, time.Millisecond, "")
		step("expired", expired, 0, "certificate needs attention")
		step("expired, told already", expired, time.Hour, "")
	})
}

// The certificates of the listeners and uplinks that run are watched.
func TestWatchedCertificates(t *testing.T) {
	n := site(t, "x")
	kit.Certificates(t, n.dir, "127.0.0.1")
	pair := "certificate = \"" + n.dir + "/ca.pem\"\nkey = \"" + n.dir + "/ca.key\"\n"
	uplink := strings.Replace(strings.Replace(linkTo(n), n.socket("a"), "tls://127.0.0.1:1", 1), "[[uplink.", pair+"[[uplink.", 1)
	n.start(listenAt("tls://127.0.0.1:0") + pair + uplink)
	var owners []string
	for _, owner := range n.keyPairs() {
		owners = append(owners, fmt.Sprint(owner...))
	}
	slices.Sort(owners)
	if want := []string{fmt.Sprint("listener", n.Listeners()[1].URL), fmt.Sprint("uplink", "c")}; !slices.Equal(owners, want) {
		t.Errorf("watched are %q, want %q", owners, want)
	}
	known := map[*transport.KeyPair]*watched{}
	n.checkCertificates(known)
	n.checkCertificates(known)
	pem, err := tls.LoadX509KeyPair(n.dir+"/ca.pem", n.dir+"/ca.key")
	kit.Must(t, err)
	for _, w := range known {
		if w.serial != pem.Leaf.SerialNumber.Text(16) {
			t.Errorf("a certificate is known as %+v", w)
		}
	}
	if s := n.Status(); len(known) != 2 || s.Listeners[1].Certificate == nil || s.Uplinks[0].Certificate == nil || s.Listeners[0].Certificate != nil {
		t.Errorf("known are %d certificates; status %+v", len(known), s)
	}
	renewed, err := kit.Sign("ca", x509.Certificate{SerialNumber: big.NewInt(77), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, nil)
	kit.Must(t, err)
	_, _, err = kit.WritePair(n.dir, "ca", renewed)
	kit.Must(t, err)
	n.checkCertificates(known) // before any peer connects
	for _, w := range known {
		if want := big.NewInt(77).Text(16); w.serial != want {
			t.Errorf("after the renewal a certificate is known as %+v, want serial %s", w, want)
		}
	}
	n.become("")
	if n.checkCertificates(known); len(known) != 0 {
		t.Errorf("%d certificates of parts that are gone are known", len(known))
	}
}
