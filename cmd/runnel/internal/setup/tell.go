package setup

import (
	"fmt"
	"net/url"
	"os"
	"slices"
)

// tell prints what to type next.
func (i *Init) tell(public, pin string) {
	switch i.Kind {
	case Gateway:
		if i.Enrol == nil {
			fmt.Fprintf(i.Out, "\nThe centre does not know this node yet. Write there into conf.d/%s.toml, then \"runnel reload\":\n\n", i.ID)
			fmt.Fprintf(i.Out, "[[realm]]\nname = %s\n\n  [[realm.principal]]\n  authid = %s\n  role = \"gateway\"\n  authorized_keys = [%s]\n", quoted(orElse(i.Remote, i.Realm)), quoted(i.ID), quoted(public))
		}
	case Centre:
		if pin != "" {
			fmt.Fprintf(i.Out, "\nOnce the router runs, make a token for gateways here:\n\n  runnel token new --role gateway%s\n\nand link each of them by:\n\n  runnel init gateway --centre %s --pin %s --token TOKEN%s\n",
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

// urlFlag says where the router's socket is, if no command finds it by itself.
func (i *Init) urlFlag() string {
	if i.system() {
		return i.realmFlag()
	}
	return " --url unix://" + i.socket() + i.realmFlag()
}

// reachedAt is the URL of the first TLS listener as another machine has to write it.
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

// NextCommand is what starts a router with this configuration.
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
