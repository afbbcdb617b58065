package federation

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"runnel/test/kit"
)

// certificate returns a certificate that by has signed, or one of an authority without by.
func certificate(t *testing.T, name string, by *tls.Certificate) tls.Certificate {
	t.Helper()
	made, err := kit.Sign(name, x509.Certificate{IsCA: by == nil}, by)
	kit.Must(t, err)
	return made
}

const cryptosignKey = "20e8c05d0ede9506462bb049c4843032b18e8e75b314583d0c8d8a4942f9be40"

// Every way to authenticate a link, and every way in which it verifies the centre.
func TestTrust(t *testing.T) {
	ca := certificate(t, "CA", nil)
	router := certificate(t, "centre", &ca)
	caCert, _ := kit.PEM(ca)
	cert, key := kit.PEM(router)
	ownCert, ownKey := kit.PEM(certificate(t, "gw-tls", &ca))
	otherCert, _ := kit.PEM(certificate(t, "CA", nil))
	dir := t.TempDir()
	at := &node{T: t, dir: dir}
	files := map[string]string{}
	for name, text := range map[string]string{
		"centre.pem": cert, "centre.key": key, "ca.pem": caCert, "own.pem": ownCert, "own.key": ownKey,
		"cryptosign.key": cryptosignKey, "other.pem": otherCert,
	} {
		files[name] = at.write(name, text)
	}
	public := publicKey(t)
	centre := startWith(t, "centre", strings.Replace(openRealm, `anonymous = "guest"`, "", 1)+fmt.Sprintf(`
[[realm.principal]]
authid = "gw-ticket"
role = "gateway"
ticket = "a ticket"
[[realm.principal]]
authid = "gw-cra"
role = "gateway"
wampcra = { secret = "a secret" }
[[realm.principal]]
authid = "gw-scram"
role = "gateway"
scram = { secret = "a secret" }
[[realm.principal]]
authid = "gw-sign"
role = "gateway"
authorized_keys = [%q]
[[realm.principal]]
authid = "gw-tls"
role = "gateway"
certificate = "gw-tls"
[[listen]]
url = "tls://127.0.0.1:0"
certificate = %q
key = %q
client_ca = %q
`, public, files["centre.pem"], files["centre.key"], files["ca.pem"]))
	tls := "tls://" + centre.line.address()
	web := "wss://" + centre.line.address()
	ticket := "authid = \"gw-ticket\"\nticket = \"a ticket\"\n"
	trusted := fmt.Sprintf("ca = %q\n", files["ca.pem"])
	sum, spki := sha256.Sum256(router.Leaf.Raw), sha256.Sum256(router.Leaf.RawSubjectPublicKeyInfo)
	wrong := sha256.Sum256([]byte("something else"))
	for _, c := range []struct {
		name, url, keys, authid, problem string
	}{
		{"ticket", tls, trusted + ticket, "gw-ticket", ""},
		{"wampcra", web, trusted + "authid = \"gw-cra\"\nsecret = \"a secret\"\n", "gw-cra", ""},
		{"scram", tls, trusted + "authid = \"gw-scram\"\nsecret = \"a secret\"\n", "gw-scram", ""},
		{"cryptosign", web, trusted + fmt.Sprintf("authid = \"gw-sign\"\nkey = %q\n", files["cryptosign.key"]), "gw-sign", ""},
		{"a client certificate", tls, trusted + fmt.Sprintf("authid = \"gw-tls\"\ncertificate = %q\nkey = %q\n", files["own.pem"], files["own.key"]), "gw-tls", ""},
		{"a pinned certificate", tls, ticket + pin(sum), "gw-ticket", ""},
		{"a pinned key", web, ticket + pin(spki), "gw-ticket", ""},
		{"another's certificate", tls, ticket + trusted + pin(wrong), "", "does not match the pin"},
		{"an unknown authority", tls, ticket, "", "unknown authority"},
		{"another authority", tls, ticket + fmt.Sprintf("ca = %q\n", files["other.pem"]), "", "unknown authority"},
		{"a wrong ticket", tls, trusted + "authid = \"gw-ticket\"\nticket = \"none\"\n", "", "wamp.error.authentication_failed"},
		{"a wrong secret", tls, trusted + "authid = \"gw-cra\"\nsecret = \"none\"\n", "", "wamp.error.authentication_failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			edge := start(t, "edge", fmt.Sprintf("[[uplink]]\nname = \"central\"\nurl = [%q]\nreconnect_min = \"50ms\"\nreconnect_max = \"500ms\"\n%s%s",
				c.url, c.keys, shares("export topic com.")))
			if c.problem == "" {
				found, err := edge.process.Logs(`msg="link is up".* authid=(\S+) role=gateway`)
				if err != nil || found[1] != c.authid {
					t.Errorf("joined as %v, %v", found, err)
				}
				return
			}
			here := edge.join()
			kit.Eventually(t, c.problem, func() bool { return strings.Contains(edge.link(here, "central").Error, c.problem) })
			if edge.link(here, "central").Up {
				t.Error("the link is up")
			}
		})
	}

}

func pin(sum [sha256.Size]byte) string {
	return fmt.Sprintf("pin = %q\n", hex.EncodeToString(sum[:]))
}

// publicKey returns the public half of cryptosignKey.
func publicKey(t *testing.T) string {
	t.Helper()
	seed, err := hex.DecodeString(cryptosignKey)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))
}
