package setup

import (
	"fmt"
	"net/url"
	"os"
	"slices"
)

// tell prints the next steps.
func (i *Init) tell(public, pin string) {
	switch i.Kind {
	case Gateway:
		if i.Enrol == nil {
			fmt.Fprintf(i.Out, "\nThe centre does not know this node yet. At the centre, write this into conf.d/%s.toml, then run \"runnel reload\":\n\n", i.ID)
			fmt.Fprintf(i.Out, "[[realm]]\nname = %s\n\n  [[realm.principal]]\n  authid = %s\n  role = \"gateway\"\n  authorized_keys = [%s]\n", quoted(orElse(i.Remote, i.Realm)), quoted(i.ID), quoted(public))
		}
	case Centre:
		if pin != "" {
			fmt.Fprintf(i.Out, "\nWhen the router runs, create a token for gateways here:\n\n  runnel token new --role gateway%s\n\nThen link each gateway with:\n\n  runnel init gateway --centre %s --pin %s --token TOKEN%s\n",
				i.urlFlag(), i.reachedAt(), pin, i.realmFlag())
		}
	}
}

func (i *Init) realmFlag() string {
	if i.Realm == "realm1" {
		return ""
	}
	return " --realm " + i.Realm
}

// urlFlag returns the flags by which a command finds the router, or only --realm if the socket is the default one.
func (i *Init) urlFlag() string {
	if i.system() {
		return i.realmFlag()
	}
	return " --url unix://" + i.socket() + i.realmFlag()
}

// reachedAt returns the URL of the first TLS listener as other machines reach it.
func (i *Init) reachedAt() string {
	listen := i.Listen[slices.IndexFunc(i.Listen, secure)]
	u, err := url.Parse(listen)
	if err != nil {
		return listen
	}
	if host := u.Hostname(); host == "" || host == "0.0.0.0" || host == "::" {
		name, err := os.Hostname()
		if err != nil {
			name = i.ID
		}
		u.Host = name + ":" + u.Port()
	}
	return u.String()
}

// NextCommand returns the command that starts a router with this configuration.
func (i *Init) NextCommand() string {
	if !i.system() {
		return "runnel run -c " + i.file
	}
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		return "sudo systemctl restart runnel"
	}
	return "runnel run"
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
