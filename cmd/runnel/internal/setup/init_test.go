package setup

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"runnel/boards/packaging"
	"runnel/cmd/runnel/internal/config"
)

// written runs init with complete answers and returns its output.
func written(t *testing.T, i Init) (*config.Config, string, error) {
	t.Helper()
	var out bytes.Buffer
	i.Out = &out
	if err := i.Complete(NewPrompter(strings.NewReader(""), &out, true)); err != nil {
		t.Fatal(err)
	}
	c, err := i.Run()
	return c, out.String(), err
}

func TestInit(t *testing.T) {
	for _, c := range []struct {
		answers           Answers
		files             []string // beside the configuration
		realms, listeners int
		uplinks           int
		says              []string
		not               []string
	}{
		{Answers{Kind: Standalone, ID: "n"}, nil, 1, 2, 0, nil, []string{"gateway", "wrote certificate"}},
		{Answers{Kind: Gateway, ID: "gw-1", Centres: []string{"tcp://c:8080"}}, []string{"gateway.key"}, 1, 2, 1,
			[]string{"The centre does not know this node yet", "authid = \"gw-1\"", "ssh-ed25519 "}, []string{"--pin"}},
		{Answers{Kind: Centre, ID: "c"}, []string{"runnel.crt", "runnel.key"}, 1, 3, 0,
			[]string{"runnel token new --role gateway --url unix://", " --pin ", "a certificate for this machine"}, []string{"does not know"}},
		{Answers{Kind: Centre, ID: "c", Realm: "plant", Listen: []string{"tcp://127.0.0.1:8080"}}, nil, 1, 2, 0,
			[]string{"--realm plant", "No listener is for other machines"}, []string{"Then link"}},
		{Answers{Kind: Centre, ID: "c", Listen: []string{"tcp://0.0.0.0:8080"}}, nil, 1, 2, 0, []string{":8080 --token TOKEN\n"}, []string{"--pin"}},
		{Answers{Kind: Centre, ID: "c", Listen: []string{"tls://127.0.0.1:8443"}}, []string{"runnel.crt"}, 1, 2, 0, []string{"write the proxy's address there"}, []string{"an address works"}},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "etc", "runnel.toml")
		conf, text, err := written(t, Init{Answers: c.answers, File: file})
		if err != nil {
			t.Errorf("%+v: %v", c.answers, err)
			continue
		}
		for _, name := range append(c.files, "runnel.toml", "conf.d") {
			if _, err := os.Stat(filepath.Join(dir, "etc", name)); err != nil {
				t.Errorf("%s: %v", c.answers.Kind, err)
			}
		}
		if len(conf.Realms) != c.realms || len(conf.Listens) != c.listeners || len(conf.Uplinks) != c.uplinks || conf.Node.ID != c.answers.ID {
			t.Errorf("%s: %d realms, %d listeners, %d uplinks of %s", c.answers.Kind, len(conf.Realms), len(conf.Listens), len(conf.Uplinks), conf.Node.ID)
		}
		for _, r := range conf.Realms[0].Roles {
			if want := r.Name == "local" || r.Name == "operator"; r.Durable != want {
				t.Errorf("%s: role %s: durable = %v, want %v", c.answers.Kind, r.Name, r.Durable, want)
			}
		}
		for _, word := range c.says {
			if !strings.Contains(text, word) {
				t.Errorf("%+v does not say %q: %s", c.answers, word, text)
			}
		}
		for _, word := range c.not {
			if strings.Contains(text, word) {
				t.Errorf("%+v says %q: %s", c.answers, word, text)
			}
		}
		if _, again, err := written(t, Init{Answers: c.answers, File: file}); err != nil || !strings.Contains(again, "is unchanged") || strings.Contains(again, "wrote ") {
			t.Errorf("%s, a second time: %s, %v", c.answers.Kind, again, err)
		}
	}
}

// An edited configuration is replaced only with --force, and a copy is kept. The configurations of the packages and of
// init are replaced without a copy.
func TestInitReplaces(t *testing.T) {
	answers := Answers{Kind: Standalone, ID: "n"}
	for _, c := range []struct {
		what, old         string
		force             bool
		replaced, keptOld bool
	}{
		{"edited", "version = 1\n", false, false, false},
		{"edited, by force", "version = 1\n", true, true, true},
		{"of the packages", packaging.Config, false, true, false},
		{"of init", sealed("# other answers\n"), false, true, true},
		{"of init, edited", sealed("# other answers\n") + "#\n", false, false, false},
	} {
		file := filepath.Join(t.TempDir(), "runnel.toml")
		if err := os.WriteFile(file, []byte(c.old), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := written(t, Init{Answers: answers, File: file, Force: c.force})
		text, _ := os.ReadFile(file)
		old, missing := os.ReadFile(file + ".old")
		if (err == nil) != c.replaced || (string(text) != c.old) != c.replaced || (missing == nil) != c.keptOld || c.keptOld && string(old) != c.old {
			t.Errorf("%s: %v; replaced %v, kept %v", c.what, err, string(text) != c.old, missing == nil)
		}
	}
}

// A gateway gets its configuration only after a successful enrolment.
func TestInitEnrols(t *testing.T) {
	file := filepath.Join(t.TempDir(), "runnel.toml")
	var seen []Enrolment
	fail := errors.New("the centre says no")
	enrol := func(e Enrolment) error {
		if _, err := os.Stat(file); err == nil {
			t.Error("the configuration is written already")
		}
		seen = append(seen, e)
		return fail
	}
	i := Init{Answers: Answers{Kind: Gateway, ID: "gw-1", Centres: []string{"tcp://c:8080"}, Remote: "plant"}, File: file, Enrol: enrol}
	if _, _, err := written(t, i); err != fail {
		t.Error(err)
	}
	fail = nil
	if _, text, err := written(t, i); err != nil || strings.Contains(text, "does not know this node") {
		t.Errorf("%s, %v", text, err)
	}
	if len(seen) != 2 || seen[0].PublicKey != seen[1].PublicKey || seen[1].Node != "gw-1" || seen[1].Uplink.RemoteRealm != "plant" || seen[1].Uplink.Name != uplinkName {
		t.Errorf("%+v", seen)
	}
}

// A given certificate is used as it is, with the key beside it.
func TestInitWithACertificate(t *testing.T) {
	dir := t.TempDir()
	crt := filepath.Join(dir, "own.crt")
	answers := Answers{Kind: Centre, ID: "c", Listen: []string{"tls://0.0.0.0:8443"}, Certificate: crt}
	if _, _, err := written(t, Init{Answers: answers, File: filepath.Join(dir, "r.toml")}); err == nil || !strings.Contains(err.Error(), "without --certificate, init creates one") {
		t.Errorf("a certificate that is missing: %v", err)
	}
	pin, _, err := openCertificate(crt, filepath.Join(dir, "own.key"), []string{"c"})
	if err != nil {
		t.Fatal(err)
	}
	_, text, err := written(t, Init{Answers: answers, File: filepath.Join(dir, "r.toml")})
	if err != nil || !strings.Contains(text, "--pin "+pin) || strings.Contains(text, "a certificate for this machine") {
		t.Errorf("%s, %v", text, err)
	}
}

func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	crt, key := filepath.Join(dir, "a.crt"), filepath.Join(dir, "a.key")
	pin, made, err := openCertificate(crt, key, []string{"host", "host.local", "192.0.2.7"})
	if err != nil || !made {
		t.Fatal(made, err)
	}
	if again, made, err := openCertificate(crt, key, nil); err != nil || made || again != pin || len(pin) != 64 {
		t.Errorf("pin %s, then %s, %v", pin, again, err)
	}
	text, _ := os.ReadFile(crt)
	block, _ := pem.Decode(text)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil || c.VerifyHostname("host.local") != nil || c.VerifyHostname("192.0.2.7") != nil || c.VerifyHostname("other") == nil {
		t.Errorf("%v: names %v, addresses %v", err, c.DNSNames, c.IPAddresses)
	}
	if now := time.Now(); c.NotBefore.After(now) || c.NotAfter.Before(now.AddDate(certificateYears-1, 0, 0)) {
		t.Errorf("valid from %v to %v", c.NotBefore, c.NotAfter)
	}
	for what, content := range map[string]string{"nothing": "", "a key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "nonsense": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		if err := os.WriteFile(crt, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := openCertificate(crt, key, nil); err == nil {
			t.Errorf("%s is taken for a certificate", what)
		}
	}
	os.Remove(crt)
	if _, _, err := openCertificate(crt, key, []string{"host"}); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("a key without a certificate: %v", err)
	}
}

func TestKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "node.key")
	key, made, err := openKey(file)
	if err != nil || !made {
		t.Fatal(made, err)
	}
	again, made, err := openKey(file)
	if err != nil || made || !again.Equal(key) {
		t.Errorf("the key is another one: %v, %v", made, err)
	}
	if text := AuthorizedKey(publicKey(key), "me"); !strings.HasPrefix(text, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI") || !strings.HasSuffix(text, " me") {
		t.Error(text)
	}
	if _, err := NewKey(file); err == nil || !strings.Contains(err.Error(), "the file exists") {
		t.Errorf("a key is replaced: %v", err)
	}
	if _, err := NewKey(file + ".2"); err != nil {
		t.Error(err)
	}
	if _, made, err := openKey(file + ".2"); err != nil || made {
		t.Errorf("a new key cannot be read: %v", err)
	}
	os.WriteFile(file, []byte("x"), 0o600)
	if _, made, err := openKey(file); err == nil || made {
		t.Error("a file that is no key is used")
	}
	if _, made, err := openKey(filepath.Join(file, "under a file")); err == nil || made {
		t.Error("a key is made where no file can be")
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := writeNew(file, []byte("1"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := writeNew(file, []byte("2"), 0o640); !errors.Is(err, os.ErrExist) {
		t.Errorf("a file is replaced: %v", err)
	}
	if err := writeFile(file, []byte("3"), 0o644); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(file)
	info, _ := os.Stat(file)
	if string(text) != "3" || err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%s, %v, %v", text, err, info.Mode())
	}
	if err := writeFile(filepath.Join(dir, "none", "file"), nil, 0o600); err == nil {
		t.Error("a file is written into no directory")
	}
	if _, mayChown := serviceGroup(); !mayChown {
		if err := writeFile(file, nil, 0o640); err != nil {
			t.Error(err)
		}
		if info, _ := os.Stat(file); info.Mode().Perm() != 0o600 {
			t.Errorf("without the service's group, the mode is %v", info.Mode())
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("%d files are left", len(left))
	}
	if err := makeDir(filepath.Join(dir, "a", "b")); err != nil {
		t.Error(err)
	}
	if err := makeDir(filepath.Join(file, "b")); err == nil || !strings.HasPrefix(err.Error(), "create directory ") {
		t.Error(err)
	}
	if !unchanged(sealed("a\n")) || unchanged("a\n") || unchanged(sealed("a\n")+"b") || unchanged(strings.Replace(sealed("a\n"), "a", "b", 1)) {
		t.Error("an edited text looks unchanged, or the other way round")
	}
}
