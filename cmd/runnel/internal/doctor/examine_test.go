package doctor

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/test/kit"
)

// places writes findings as "level check object", one a line.
func places(list []Finding) (lines []string) {
	for _, f := range list {
		lines = append(lines, strings.TrimSpace(f.Level+" "+f.Check+" "+f.Object))
	}
	return lines
}

const realm = "version = 1\n[[realm]]\nname = \"realm1\"\nanonymous = \"all\"\n[[realm.role]]\nname = \"all\"\n[[realm.role.permission]]\nuri = \"\"\nmatch = \"prefix\"\nallow = [\"publish\"]\n"

func TestExamine(t *testing.T) {
	const at = "127.0.0.1:1" // nothing listens there
	link := fmt.Sprintf("[node]\nid = \"n\"\n[[uplink]]\nname = \"centre\"\nurl = [\"tcp://%s\"]\n[[uplink.export]]\ntopic = \"com.\"\nmatch = \"prefix\"\n", at)
	for _, c := range []struct {
		what, text string
		want       []string
		healthy    bool
	}{
		{"a router that does not run", realm, []string{"note router"}, true},
		{"an invalid file", realm + "[[uplink]]\nname = \"x\"\n", []string{"error config FILE", "error config FILE", "warning config FILE", "note router"}, false},
		{"a line without its device", realm + "[[serial]]\nname = \"bus\"\ndevice = \"/dev/none-of-these\"\nmode = \"lines\"\nformat = \"json\"\ntopic = \"com.a\"\nrole = \"all\"\n",
			[]string{"note router", "error serial serial line bus"}, false},
		{"a line without its USB adapter", realm + "[[serial]]\nname = \"bus\"\nusb = { vid = \"fffe\", pid = \"fffe\" }\nmode = \"lines\"\nformat = \"json\"\ntopic = \"com.a\"\nrole = \"all\"\n",
			[]string{"note router", "error serial serial line bus"}, false},
		{"a device server that does not answer", realm + "[[serial]]\nname = \"bus\"\ndevice = \"tcp://" + at + "\"\nmode = \"lines\"\nformat = \"json\"\ntopic = \"com.a\"\nrole = \"all\"\n",
			[]string{"note router", "error serial serial line bus"}, false},
		{"a centre that is down", strings.Replace(realm, "[[realm]]", link+"\n[[realm]]", 1), []string{"note router", "warning disk uplink centre", "error uplink uplink centre, tcp://" + at}, false},
		{"a broker that is down", strings.Replace(realm, "[[realm]]", strings.Replace(link, "tcp:", "mqtt:", 1)+"\n[[realm]]", 1),
			[]string{"note router", "warning disk uplink centre", "error uplink uplink centre, mqtt://" + at}, false},
	} {
		file := filepath.Join(t.TempDir(), "runnel.toml")
		if err := os.WriteFile(file, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := Examine(t.Context(), Options{File: file, Status: func(context.Context, *config.Config) ([]byte, error) { return nil, ErrNotRunning }})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, line := range places(r.Findings) {
			if line = strings.Replace(line, file, "FILE", 1); line != "note clock" && !strings.HasPrefix(line, "error disk") && !strings.HasSuffix(line, "ModemManager") {
				got = append(got, strings.TrimRight(strings.Split(line, "FILE:")[0]+strings.Repeat("FILE", strings.Count(line, "FILE:")), " "))
			}
		}
		slices.Sort(got)
		slices.Sort(c.want)
		if fmt.Sprint(got) != fmt.Sprint(c.want) || r.Healthy != c.healthy || len(r.Checks) != len(checks) || r.Config != file {
			t.Errorf("%s: %q, healthy %v; want %q\n%s", c.what, got, r.Healthy, c.want, found(r.Findings))
		}
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := Examine(over, Options{File: "/nowhere/runnel.toml", Status: func(context.Context, *config.Config) ([]byte, error) { return nil, ErrNotRunning }}); err == nil || r != nil {
		t.Errorf("an examination that is ended reports %+v", r)
	}
}

// pairOf writes a certificate that is valid between two times from now.
func pairOf(t *testing.T, from, to time.Duration) (crt, key config.Path) {
	t.Helper()
	made, err := kit.Sign("x", x509.Certificate{NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(to)}, nil)
	kit.Must(t, err)
	cert, private, err := kit.WritePair(t.TempDir(), "pair", made)
	kit.Must(t, err)
	return config.Path(cert), config.Path(private)
}

// The certificates that the router presents, and those that it trusts, are checked for their dates.
func TestDatesOfCertificates(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		what            string
		from, to        time.Duration
		level, ofOthers string
	}{
		{"valid", -day, 1000 * day, "", ""},
		{"expired", -10 * day, -day, Error, Error},
		{"of tomorrow", day, 1000 * day, Error, Error},
		{"soon expired", -300 * day, day, Warning, ""},
	} {
		crt, key := pairOf(t, c.from, c.to)
		for _, conf := range []struct {
			config *config.Config
			want   string
		}{
			{&config.Config{Listens: []config.Listen{{URL: "tls://x", Certificate: crt, Key: key}}}, c.level},
			{&config.Config{Listens: []config.Listen{{URL: "tls://x", ClientCA: crt}}}, c.ofOthers},
			{&config.Config{Uplinks: []config.Uplink{{Name: "a", Certificate: crt, Key: key}}}, c.level},
			{&config.Config{Uplinks: []config.Uplink{{Name: "a", CA: crt}}}, c.ofOthers},
			{&config.Config{Uplinks: []config.Uplink{{Name: "a", Key: key}}}, ""},
		} {
			e := &examination{config: conf.config}
			checkCertificates(t.Context(), e)
			got := ""
			for _, f := range e.findings {
				got += f.Level
			}
			if got != conf.want {
				t.Errorf("%s: %s", c.what, found(e.findings))
			}
		}
	}
	e := &examination{config: &config.Config{Listens: []config.Listen{{URL: "tls://x", Certificate: "/none.pem", Key: "/none.key"}}}}
	if checkCertificates(t.Context(), e); len(e.findings) != 1 || e.findings[0].Level != Error {
		t.Errorf("a file that is missing: %s", found(e.findings))
	}
	e = new(examination)
	if checkCertificates(t.Context(), e); len(e.findings) > 0 {
		t.Error("without a configuration there is nothing to check")
	}
}

// The findings name the configuration that the router keeps while its files are invalid.
func TestMeanwhile(t *testing.T) {
	const fault = `{"faults":[{"part":"configuration","since":"2026-01-01T12:00:00Z"}]}`
	inUse := &config.Config{Fallback: &config.Fallback{}}
	for _, c := range []struct {
		what, status string
		inUse        *config.Config
		want         string
	}{
		{"none", "", nil, "the router cannot start with these files"},
		{"a start is possible", "", inUse, "a start uses "},
		{"a start is possible without a part", "", &config.Config{}, "a start leaves out what fails"},
		{"it runs with its own", `{}`, inUse, "the router goes on with the configuration that it runs with until it is restarted; a start uses"},
		{"it runs with another", fault, inUse, "since 2026-01-01 "},
		{"it runs with one that is gone", fault, nil, "since 2026-01-01 "},
	} {
		e := answering(c.status, ErrNotRunning)
		if c.status != "" {
			e = answering(c.status, nil)
		}
		e.askRouter(t.Context())
		got := e.meanwhile(c.inUse)
		if !strings.HasPrefix(got, c.want) || strings.Contains(got, "another configuration; now") != (c.status == fault && c.inUse == nil) {
			t.Errorf("%s: %s", c.what, got)
		}
	}
}
