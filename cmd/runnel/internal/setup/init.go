// Package setup writes the configuration of a new installation, and of serial lines that are added to it.
//
//	init.go         the user's answers, and the files made from them
//	template.go     answers -> the text of the configuration
//	listen.go       the listeners: whom they serve, and with which role
//	tell.go         the next steps
//	line.go         a detected serial line -> its file in conf.d
//	key.go, certificate.go, file.go, ask.go   shared parts
//
// Package config checks each new file together with the existing files before it is written.
package setup

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"runnel/boards/packaging"
	"runnel/cmd/runnel/internal/config"
	"runnel/edge/wamp"
	"runnel/transport"
)

// Kinds of installations.
const (
	Gateway    = "gateway"
	Centre     = "centre"
	Standalone = "standalone"
)

// Kinds lists the kinds of installations.
var Kinds = []string{Gateway, Centre, Standalone}

// Answers are the values from which a configuration is made. Complete asks for empty fields, or sets their defaults.
type Answers struct {
	Kind    string
	ID      string // of the node
	Realm   string
	Prefix  string   // of the application's URIs
	Listen  []string // URLs for peers on the network; nil: the defaults of the kind
	Centres []string // of a gateway: URLs of the centre
	Remote  string   // of a gateway: the centre's realm; "": the same name as here
	Pin, CA string   // of a gateway: how it verifies the centre's certificate

	// OpenNetwork gives peers of the network that don't authenticate the role "sensor".
	OpenNetwork bool

	Certificate, CertificateKey string // of TLS listeners; "": created

	file string // of the configuration, an absolute path
}

// system reports whether the configuration is the one of the service.
func (a *Answers) system() bool { return a.file == config.File("") }

func (a *Answers) beside(name string) string { return filepath.Join(filepath.Dir(a.file), name) }

// keyFile returns the file of the gateway's key.
func (a *Answers) keyFile() string { return a.beside("gateway.key") }

// socket returns the path of the Unix socket.
func (a *Answers) socket() string {
	if a.system() {
		return config.SystemSocket
	}
	return a.beside("runnel.sock")
}

// usageError is an invalid answer or flag.
type usageError struct{ error }

// IsUsage reports whether an error was caused by an invalid answer or flag.
func IsUsage(err error) bool { return errors.As(err, new(usageError)) }

// Complete asks for missing answers and checks all of them.
func (a *Answers) Complete(ask *Prompter) (err error) {
	for _, q := range []struct {
		question, usual string
		answer          *string
		check           func(string) error
		only            string
	}{
		{"What is this machine: " + strings.Join(Kinds, ", "), Standalone, &a.Kind, checkKind, ""},
		{"Id of this node, unique among linked routers", defaultID(), &a.ID, checkID, ""},
		{"Realm", "realm1", &a.Realm, checkURI, ""},
		{"Prefix of the application's URIs", "com.example.", &a.Prefix, checkPrefix, ""},
	} {
		given := *q.answer != ""
		if given {
			err = q.check(*q.answer)
		} else {
			*q.answer, err = ask.Text(q.question, q.usual, q.check)
		}
		if err != nil {
			return usageError{err}
		}
	}
	if !strings.HasSuffix(a.Prefix, ".") {
		a.Prefix += "."
	}
	if err := a.completeLink(ask); err != nil {
		return usageError{err}
	}
	if err := a.completeListen(); err != nil {
		return usageError{err}
	}
	return nil
}

func (a *Answers) completeLink(ask *Prompter) error {
	if a.Kind != Gateway {
		if len(a.Centres) > 0 || a.Pin != "" || a.CA != "" {
			return errors.New("--centre, --pin and --ca are for a gateway: runnel init gateway")
		}
		return nil
	}
	if len(a.Centres) == 0 {
		centre, err := ask.Text("URL of the centre, like tls://centre.local:8443", "", checkCentre)
		if err != nil {
			return err
		}
		a.Centres = []string{centre}
		if secure(centre) && a.Pin == "" && a.CA == "" {
			if a.Pin, err = ask.Text("Pin of the centre's certificate (\"runnel init centre\" prints it; empty: a certificate authority of the system has signed it)", "", checkPin); err != nil {
				return err
			}
		}
	}
	for _, centre := range a.Centres {
		if err := checkCentre(centre); err != nil {
			return err
		}
	}
	if a.CA != "" {
		file, err := filepath.Abs(a.CA) // in the configuration, a relative path starts at its directory
		if err != nil {
			return err
		}
		a.CA = file
	}
	if a.Pin != "" && !slices.ContainsFunc(a.Centres, secure) {
		return errors.New("--pin is for the certificate of a tls:// or wss:// centre, and the URL is neither")
	}
	return checkPin(a.Pin)
}

func secure(url string) bool {
	return strings.HasPrefix(url, "tls://") || strings.HasPrefix(url, "wss://")
}

func checkKind(kind string) error {
	if !slices.Contains(Kinds, kind) {
		return fmt.Errorf("%q is not known; use %s", kind, config.OneOf(Kinds...))
	}
	return nil
}

// checkID checks a node id. It must be valid as a URI component, for {node}, and as an authid.
func checkID(id string) error {
	if len(id) > 64 || !wamp.ValidURI(id, wamp.Exact, false) || strings.ContainsAny(id, "./{}\"'\\") || strings.ContainsFunc(id, func(r rune) bool { return r < 0x21 || r > 0x7e }) {
		return fmt.Errorf("%.80q is not a valid node id; write at most 64 letters, digits, \"-\" and \"_\", like \"gw-001\"", id)
	}
	return nil
}

func checkURI(uri string) error {
	if !wamp.ValidURI(uri, wamp.Exact, false) || strings.ContainsAny(uri, "{}") {
		return fmt.Errorf("%.80q is not a WAMP URI; write components with dots between, like \"realm1\"", uri)
	}
	return nil
}

func checkPrefix(prefix string) error {
	if !wamp.ValidURI(strings.TrimSuffix(prefix, "."), wamp.Exact, false) || strings.ContainsAny(prefix, "{}*") {
		return fmt.Errorf("%.80q is not a prefix of WAMP URIs; write it like \"com.example.\"", prefix)
	}
	for _, own := range []string{"runnel.", "wamp."} {
		if strings.HasPrefix(prefix+".", own) {
			return fmt.Errorf("%q belongs to the router; write the prefix of the application's URIs, like \"com.example.\"", prefix)
		}
	}
	return nil
}

func checkPin(pin string) error {
	if pin == "" {
		return nil
	}
	_, err := transport.ParsePin(pin)
	return err
}

func checkCentre(centre string) error {
	u, err := url.Parse(centre)
	switch {
	case centre == "":
		return errors.New("the URL of the centre is missing; write --centre tls://HOST:8443")
	case err != nil || !slices.Contains([]string{"tls", "tcp", "wss", "ws", "unix"}, u.Scheme):
		return fmt.Errorf("%q is not the URL of a centre; write it like \"tls://centre.local:8443\"", transport.RedactURL(centre))
	case u.Host == "" && u.Scheme != "unix", u.Port() == "" && (u.Scheme == "tls" || u.Scheme == "tcp"):
		return fmt.Errorf("%q: the host or the port is missing; write it like \"tls://centre.local:8443\"", transport.RedactURL(centre))
	}
	return nil
}

// defaultID returns the host name. If that is the default of an image, which many machines share, defaultID appends the end of
// the machine's hardware address.
func defaultID() string {
	host, err := os.Hostname()
	host, _, _ = strings.Cut(host, ".")
	if err != nil || checkID(host) != nil {
		host = "node"
	}
	if slices.Contains([]string{"node", "localhost", "raspberrypi", "debian", "ubuntu", "openwrt", "alpine", "beaglebone", "orangepi", "armbian", "buildroot"}, strings.ToLower(host)) {
		links, _ := net.Interfaces() // on an error the host name alone is used
		for _, link := range links {
			if n := len(link.HardwareAddr); link.Flags&net.FlagLoopback == 0 && n >= 6 {
				return fmt.Sprintf("%s-%x", host, []byte(link.HardwareAddr[n-3:]))
			}
		}
	}
	return host
}

// Init writes a configuration.
type Init struct {
	Answers
	File  string // "": the system's
	Force bool   // replace a configuration that was edited
	Check config.UplinkCheck
	Out   io.Writer

	// Enrol enrols the gateway at its centre, before the configuration is written. nil: an operator adds the gateway's key at
	// the centre.
	Enrol func(Enrolment) error
}

// Enrolment is the data with which a gateway enrols at its centre.
type Enrolment struct {
	Node      string
	PublicKey string // in OpenSSH format
	Uplink    config.Uplink
}

// Run writes the files and prints their names. It writes the configuration last, so that the old one stays in effect
// unless all steps succeed.
func (i *Init) Run() (*config.Config, error) {
	file, err := filepath.Abs(config.File(i.File))
	if err != nil {
		return nil, err
	}
	i.Answers.file = file
	i.mergeListen()
	if err := i.mayReplace(); err != nil {
		return nil, err
	}
	if err := makeDir(i.beside("conf.d")); err != nil {
		return nil, err
	}
	public, pin, err := i.writeKeys()
	if err != nil {
		return nil, err
	}
	text := sealed(i.text())
	c, err := config.LoadDraft(file, config.Drafts{file: text}, i.Check)
	if err != nil {
		return nil, err
	}
	if i.Enrol != nil {
		if err := i.Enrol(Enrolment{i.ID, public, c.Uplinks[slices.IndexFunc(c.Uplinks, func(u config.Uplink) bool { return u.Name == uplinkName })]}); err != nil {
			return nil, err
		}
	}
	if err := i.write(text); err != nil {
		return nil, err
	}
	i.printNextSteps(public, pin)
	return c, nil
}

// write writes the configuration, unless the file already has this text.
func (i *Init) write(text string) error {
	if old, err := os.ReadFile(i.file); err == nil && string(old) == text {
		fmt.Fprintf(i.Out, "%s is unchanged: node %s, realm %s\n", i.file, i.ID, i.Realm)
		return nil
	}
	if err := i.keepOld(); err != nil {
		return err
	}
	if err := writeFile(i.file, []byte(text), 0o640); err != nil {
		return fmt.Errorf("write configuration %s: %w%s", i.file, bare(err), asRoot(err))
	}
	fmt.Fprintf(i.Out, "wrote %s: node %s, realm %s\n", i.file, i.ID, i.Realm)
	return nil
}

// mayReplace returns an error if the configuration was edited since it was written and Force is not set.
func (i *Init) mayReplace() error {
	text, err := os.ReadFile(i.file)
	switch {
	case errors.Is(err, os.ErrNotExist) || err == nil && (i.Force || string(text) == packaging.Config || unchanged(string(text))):
		return nil
	case err != nil:
		return fmt.Errorf("read configuration %s: %w%s", i.file, bare(err), asRoot(err))
	}
	return fmt.Errorf("write configuration %s: there is one already; --force replaces it and keeps it as %s.old, -c writes another file", i.file, filepath.Base(i.file))
}

// keepOld saves the configuration that is about to be replaced, unless it is the one of the packages.
func (i *Init) keepOld() error {
	text, err := os.ReadFile(i.file)
	if err != nil || string(text) == packaging.Config {
		return nil
	}
	if err := writeFile(i.file+".old", text, 0o640); err != nil {
		return fmt.Errorf("keep the old configuration %s.old: %w", i.file, bare(err))
	}
	return nil
}

// writeKeys creates the gateway's key and the certificate of TLS listeners if they do not exist.
func (i *Init) writeKeys() (public, pin string, err error) {
	if i.Kind == Gateway {
		key, made, err := openKey(i.keyFile())
		if err != nil {
			return "", "", err
		}
		public = AuthorizedKey(publicKey(key), i.ID)
		if made {
			fmt.Fprintf(i.Out, "wrote %s: the key by which the centre knows this node\n", i.keyFile())
		}
	}
	if !slices.ContainsFunc(i.Listen, secure) {
		return public, "", nil
	}
	given := i.Certificate != ""
	i.Certificate = cmp.Or(i.Certificate, i.beside("runnel.crt"))
	i.CertificateKey = cmp.Or(i.CertificateKey, strings.TrimSuffix(i.Certificate, filepath.Ext(i.Certificate))+".key")
	for _, file := range []*string{&i.Certificate, &i.CertificateKey} {
		if *file, err = filepath.Abs(*file); err != nil {
			return "", "", err
		}
	}
	if given {
		_, err := os.Stat(i.Certificate)
		if err != nil {
			return "", "", fmt.Errorf("read certificate %s: %w; without --certificate, init creates one", i.Certificate, bare(err))
		}
	}
	pin, made, err := openCertificate(i.Certificate, i.CertificateKey, ownNames(i.ID))
	if made {
		fmt.Fprintf(i.Out, "wrote %s and %s: a certificate for this machine, valid for %d years\n", i.Certificate, filepath.Base(i.CertificateKey), certificateYears)
	}
	return public, pin, err
}
