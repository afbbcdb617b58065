package stories

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A centre prints the command for gateways with a name that they can resolve.
func TestInitCentreNamesItself(t *testing.T) {
	host, err := os.Hostname()
	if err != nil || host == "localhost" {
		t.Skip("this machine has no name")
	}
	if !strings.Contains(host, ".") {
		host += ".local"
	}
	for listen, want := range map[string]string{
		"tls://0.0.0.0:8443":                       "sudo runnel init gateway --centre tls://" + host + ":8443 --pin ",
		"tls://[::]:8443":                          "--centre tls://" + host + ":8443 --pin ",
		"tcp://0.0.0.0:8080":                       "--centre tcp://" + host + ":8080 --token TOKEN",
		"tcp://127.0.0.1:8080":                     "No listener is for other machines",
		"tcp://127.0.0.1:8080,tls://127.0.0.1:443": "write the proxy's address",
	} {
		runnel(t, "init", "centre", "--yes", "-c", filepath.Join(place(t), "runnel.toml"), "--listen", listen).expect(t, 0, want, "")
	}
}

// A listener with TLS gives no rights without authentication, not even on loopback: a TCP proxy of this machine may use it.
func TestInitTLSIsNotLocal(t *testing.T) {
	file := filepath.Join(place(t), "runnel.toml")
	for _, listen := range []string{"tls://127.0.0.1:8443", "tls://localhost:8443,tcp://127.0.0.1:8080", "wss://[::1]:8443/ws"} {
		runnel(t, "init", "centre", "--yes", "-c", file, "--listen", listen).expect(t, 0, "", "")
		url, _, _ := strings.Cut(listen, ",")
		runnel(t, "check", "-c", file, "--explain", "anonymous at "+url, "publish", "com.example.a").expect(t, 1, "", "no principal")
		runnel(t, "check", "-c", file, "--explain", "anonymous", "publish", "com.example.a").expect(t, 1, "", "anonymous")
	}
	runnel(t, "init", "centre", "--yes", "-c", file, "--listen", "tls://127.0.0.1:8443,tcp://127.0.0.1:8080").expect(t, 0, "", "")
	runnel(t, "check", "-c", file, "--explain", "anonymous at tcp://127.0.0.1:8080", "publish", "com.example.a").expect(t, 0, "allowed", "")

	// Written by hand, it is warned about.
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	edited := strings.Replace(string(text), "url = \"tls://127.0.0.1:8443\"", "url = \"tls://127.0.0.1:8443\"\nanonymous = \"local\"", 1)
	if err := os.WriteFile(file, []byte(edited), 0o600); err != nil {
		t.Fatal(err)
	}
	runnel(t, "check", "-c", file).expect(t, 0, "is valid", "through a proxy on this machine has the role \"local\"")
}

// A listener at which no peer could join is refused, with the flag that lets peers join.
func TestInitOpenNetwork(t *testing.T) {
	file := filepath.Join(place(t), "runnel.toml")
	gateway := []string{"init", "gateway", "--yes", "-c", file, "--centre", "tcp://127.0.0.1:1"}
	standalone := []string{"init", "standalone", "--yes", "-c", file}
	for _, listen := range []string{"tcp://0.0.0.0:8080", "tcp://127.0.0.1:8080,ws://10.0.0.1:80/ws", "tls://127.0.0.1:8443", "tcp://:8080"} {
		for _, args := range [][]string{gateway, standalone} {
			runnel(t, append(args, "--listen", listen)...).expect(t, 2, "", "--open-network")
		}
	}
	runnel(t, append(standalone, "--open-network")...).expect(t, 2, "", "no listener is for the network")
	for _, args := range [][]string{gateway, standalone} {
		runnel(t, append(args, "--open-network", "--listen", "tcp://0.0.0.0:8080,unix://apps.sock")...).expect(t, 0, "", "")
		checked := runnel(t, "check", "-c", file)
		if checked.expect(t, 0, "is valid", ""); checked.stderr != "" {
			t.Error(checked.stderr)
		}
		for _, action := range []string{"publish", "register"} {
			runnel(t, "check", "-c", file, "--explain", "anonymous at tcp://0.0.0.0:8080", action, "com.example.a").expect(t, 0, "allowed", "")
		}
		runnel(t, "check", "-c", file, "--explain", "anonymous at tcp://0.0.0.0:8080", "subscribe", "com.example.a").expect(t, 1, "denied", "")
	}
}

// Equal listeners are merged, whatever their notation.
func TestInitMergesListeners(t *testing.T) {
	dir := place(t)
	file := filepath.Join(dir, "runnel.toml")
	socket := "unix://" + filepath.Join(dir, "runnel.sock")
	for _, listen := range []string{socket, "unix://runnel.sock", "unix://" + filepath.Join(dir, ".", "conf.d", "..", "runnel.sock"), socket + ",tcp://localhost:8080/", "tcp://127.0.0.1:8080"} {
		runnel(t, "init", "standalone", "--yes", "-c", file, "--listen", "tcp://127.0.0.1:8080,"+listen).expect(t, 0, "", "")
		runnel(t, "check", "-c", file).expect(t, 0, "2 listeners", "")
	}
	for listen, says := range map[string]string{"foo": "URL of a listener", "tcp://127.0.0.1": "the port is missing", "mqtt://127.0.0.1:1": "URL of a listener"} {
		runnel(t, "init", "standalone", "--yes", "-c", file, "--listen", listen).expect(t, 2, "", says)
	}
}

// A file that an earlier version wrote is replaced without --force, as long as it is unedited.
func TestInitKnowsItsOlderFiles(t *testing.T) {
	file := filepath.Join(place(t), "runnel.toml")
	const old = "version = 1\n[[realm]]\nname = \"old\"\n# unchanged since it was written: "
	const sum = "a8bd9581d0b31e4c"
	if err := os.WriteFile(file, []byte(old+sum+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	runnel(t, "init", "standalone", "--yes", "-c", file).expect(t, 0, "wrote", "")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append([]byte("# mine\n"), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	runnel(t, "init", "standalone", "--yes", "-c", file, "--realm", "other").expect(t, 1, "", "--force")
}
