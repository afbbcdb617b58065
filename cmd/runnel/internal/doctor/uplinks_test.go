package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/wamp"
)

func TestDiagnose(t *testing.T) {
	at, _ := url.Parse("tls://centre.example:8443")
	u := config.Uplink{Name: "centre", URL: []string{at.String()}, RemoteRealm: "plant", Authid: "gw-1", Key: "node.key", Pin: "ab"}
	for _, c := range []struct {
		err          error
		text, remedy string // how they begin
	}{
		{wamp.NoSuchRealm, `the centre has no realm "plant"`, "write the centre's realm"},
		{&net.DNSError{Name: "centre.example"}, "the name centre.example does not resolve", "getent hosts"},
		{errors.New("lookup centre.example: no servers"), "the name centre.example does not resolve", "getent hosts"},
		{errors.New("the certificate does not match the pin ab"), "the certificate does not match", "compare it"},
		{x509.UnknownAuthorityError{}, "the centre's certificate is signed by an unknown", "write the authority's"},
		{x509.HostnameError{Certificate: &x509.Certificate{}, Host: "x"}, "the centre's certificate is for other names", "write one of its names"},
		{x509.CertificateInvalidError{Reason: x509.Expired}, "the centre's certificate is not valid now", "date shows"},
		{x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: x509.NotAuthorizedToSign}, "x509: certificate is not authorized", "runnel call"},
		{tls.RecordHeaderError{}, "the centre does not speak TLS", "write tcp://"},
		{syscall.ECONNREFUSED, "nothing listens there", "start the centre"},
		{syscall.ENETUNREACH, "there is no route", "ip route"},
		{syscall.EHOSTUNREACH, "there is no route", "ip route"},
		{io.EOF, "the centre closes the connection", "check that url"},
		{syscall.ECONNRESET, "the centre closes the connection", "check that url"},
		{context.DeadlineExceeded, "the centre does not answer", "check its address"},
		{os.ErrDeadlineExceeded, "the centre does not answer", "check its address"},
		{errors.New("odd"), "odd", "runnel call wamp.session.count --url tls://centre.example:8443"},
	} {
		text, remedy := new(examination).diagnose(u, at, fmt.Errorf("join: %w", c.err))
		if !strings.HasPrefix(strings.TrimPrefix(text, "join: "), c.text) || !strings.HasPrefix(remedy, c.remedy) {
			t.Errorf("%v: %s; %s", c.err, text, remedy)
		}
	}
}

// A link that is up at another URL makes an error a warning. The check "network" covers names.
func TestUnreached(t *testing.T) {
	at, _ := url.Parse("tcp://centre.example:8080")
	local, _ := url.Parse("tcp://centre.local:8080")
	unknown := &net.DNSError{Name: "centre"}
	for _, c := range []struct {
		what, status string
		urls         int
		at           *url.URL
		err          error
		want         string
	}{
		{"down", `{"uplinks":[{"name":"a"}]}`, 2, at, syscall.ECONNREFUSED, Error},
		{"up at another URL", `{"uplinks":[{"name":"a","up":true}]}`, 2, at, syscall.ECONNREFUSED, Warning},
		{"up at this URL", `{"uplinks":[{"name":"a","up":true}]}`, 1, at, syscall.ECONNREFUSED, Error},
		{"no such name", `{}`, 1, at, unknown, ""},
		{"no such name in this network", `{}`, 1, local, unknown, Error},
	} {
		e := answering(c.status, nil)
		e.askRouter(t.Context())
		e.addUnreached("uplink a", config.Uplink{Name: "a", URL: make([]string, c.urls)}, c.at, c.err)
		got := ""
		for _, f := range e.findings {
			got += f.Level
		}
		if got != c.want {
			t.Errorf("%s: %s", c.what, got)
		}
	}
}

func TestAdmit(t *testing.T) {
	key := config.Path(filepath.Join(t.TempDir(), "key"))
	if err := os.WriteFile(string(key), []byte(strings.Repeat("00", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		u    config.Uplink
		want string // a part of the remedy
	}{
		{config.Uplink{Key: "k", Authid: "gw-1", Pin: "ab"}, "--centre tls://c --pin ab --id gw-1 --token"},
		{config.Uplink{Key: "k", Authid: "gw-1", CA: "ca.pem"}, "--centre tls://c --ca ca.pem --id gw-1 --token"},
		{config.Uplink{Key: "k", Authid: "gw-1"}, "--centre tls://c --id gw-1 --token"},
		{config.Uplink{Key: "k", Authid: "gw-1"}, "sudo runnel fleet forget gw-1; sudo runnel token new --role gateway\n"},
		{config.Uplink{Key: key, Authid: "gw-1"}, "authid = \"gw-1\"\n  role = \"gateway\"\n  authorized_keys = [\"3b6a27bc"},
		{config.Uplink{Key: "k"}, "authorized_keys = [\"the public key of k\"]"},
		{config.Uplink{Key: "k", Certificate: "c.pem"}, "check authid and secret"},
		{config.Uplink{}, "check authid and secret"},
	} {
		c.u.URL = []string{"tls://c"}
		if got := new(examination).admit(c.u); !strings.Contains(got, c.want) {
			t.Errorf("%+v: %s", c.u, got)
		}
	}
}

func TestURIsOfProbes(t *testing.T) {
	for _, c := range []struct {
		uri   string
		match wamp.Match
		want  string
	}{
		{"com.a", wamp.Exact, "com.a"}, {"com.", wamp.Prefix, "com.runnel_doctor"}, {"com", wamp.Prefix, "com.runnel_doctor"}, {"", wamp.Prefix, "runnel_doctor"},
		{"com..a", wamp.Wildcard, "com.runnel_doctor.a"}, {".", wamp.Wildcard, "runnel_doctor.runnel_doctor"},
	} {
		if got := below(c.uri, config.Match(c.match)); got != c.want {
			t.Errorf("%s, %v: %s", c.uri, c.match, got)
		}
	}
	for uri, want := range map[string]string{"com.local.a": "com.site.a", "org.a": "org.a"} {
		if got := remote(config.Share{LocalPrefix: "com.local.", RemotePrefix: "com.site."}, uri); got != want {
			t.Errorf("%s: %s", uri, got)
		}
	}
	tr := trial{e: &examination{config: &config.Config{Node: config.Node{ID: "gw-1"}}}, uplink: config.Uplink{Name: "central", RemoteRealm: "plant"}, role: "gateway"}
	for _, n := range []need{{"publish", "com.", config.Match(wamp.Prefix)}, {"register", "com.x", config.Match(wamp.Exact)}, {"subscribe", "org.a", config.Match(wamp.Exact)}} {
		tr.record(n.action, n.uri, n.match, wamp.NotAuthorized)
	}
	tr.record("call", "com.y", config.Match(wamp.Exact), nil)
	for _, want := range []string{
		"# /etc/runnel/conf.d/permit-gw-1-central.toml", "[[realm]]\nname = \"plant\"", "  name = \"gateway\"",
		"    uri = \"com.\"\n    match = \"prefix\"\n    allow = [\"publish\", \"register\", \"call\"]", "    uri = \"org.a\"\n    allow = [\"subscribe\"]",
	} {
		if got := tr.permit("", tr.missing); !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
