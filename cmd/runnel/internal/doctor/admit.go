package doctor

import (
	"crypto/ed25519"
	"fmt"
	"os"
	"strings"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/client"
	"runnel/transport"
)

// admit returns the remedy for a link that the centre rejects. The centre does not say whether it knows the authid.
func (e *examination) admit(u config.Uplink) string {
	if u.Key == "" || u.Certificate != "" {
		return fmt.Sprintf("check authid and secret here, and the principal %q at the centre", u.Authid)
	}
	var b strings.Builder
	if e.config == nil || u.Authid == e.config.NodeID() {
		fmt.Fprintf(&b, "# At the centre: forget an older key of this node, if there is one, and make a token.\n")
		fmt.Fprintf(&b, "sudo runnel fleet forget %s; sudo runnel token new --role gateway\n", u.Authid)
		fmt.Fprintf(&b, "# Here: enrol with the token.\n")
		fmt.Fprintf(&b, "sudo runnel init gateway --centre %s%s --id %s --token TOKEN\n", transport.RedactURL(u.URL[0]), trusting(u), u.Authid)
		fmt.Fprintf(&b, "# If the centre keeps its gateways in files instead, write there:\n")
	} else {
		fmt.Fprintf(&b, "# /etc/runnel/conf.d/%s.toml at the centre. Then there: sudo sh -c 'runnel check && runnel reload'\n", strings.ReplaceAll(u.Authid, "/", "_"))
	}
	fmt.Fprintf(&b, "[[realm]]\nname = %s\n\n  [[realm.principal]]\n  authid = %s\n  role = \"gateway\"\n  authorized_keys = [%s]",
		quoted(u.RemoteRealm), quoted(u.Authid), quoted(publicKey(string(u.Key))))
	return b.String()
}

// trusting returns the flags of "runnel init" with which the link recognizes its centre.
func trusting(u config.Uplink) string {
	switch {
	case u.Pin != "":
		return " --pin " + u.Pin
	case u.CA != "":
		return " --ca " + string(u.CA)
	}
	return ""
}

// publicKey returns the public half of a key in a file, in hexadecimal.
func publicKey(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "the public key of " + file
	}
	private, err := client.ParseKey(text)
	if err != nil {
		return "the public key of " + file
	}
	return fmt.Sprintf("%x", private.Public().(ed25519.PublicKey)) // Public always returns this type
}
