package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// The brokers' configurations for kept events. None of them drops an event, and all keep their files in a folder of their own.

// keptRunnel returns the sections of the configuration: the node, the realm's size, the durable subscription.
func keptRunnel(dir string, s scenario) (node, size, durable string) {
	if !s.kept {
		return "", "", ""
	}
	return fmt.Sprintf("[node]\nid = \"bench\"\ndata = %q\n", filepath.Join(dir, "data")), "durable_size = \"2GiB\"\n",
		fmt.Sprintf("[[realm.durable]]\nname = %q\nuri = %q\nmax_size = \"2GiB\"\nack_wait = \"%v\"\n", keptName, keptTopic, keptWait)
}

// natsSync returns the sync interval for a nats-server that has this option. It is about the interval of Runnel's syncs
// in these runs. However, Runnel confirms an event after the sync, and nats-server before.
func natsSync(s scenario) time.Duration {
	if s.work.window < 100 {
		return 350 * time.Microsecond
	}
	return 2 * time.Millisecond
}

func startNATS(path string) func(string, int, scenario) (*exec.Cmd, error) {
	return func(dir string, port int, s scenario) (*exec.Cmd, error) {
		cmd := exec.Command(path, "-a", "127.0.0.1", "-p", fmt.Sprint(port))
		if !s.kept {
			return cmd, nil
		}
		config := fmt.Sprintf("jetstream {\nstore_dir: %q\nmax_file_store: 4294967296\n", filepath.Join(dir, "data"))
		if version, err := exec.Command(path, "--version").Output(); err == nil && !strings.Contains(string(version), " v2.9.") {
			config += fmt.Sprintf("sync_interval: %q\n", natsSync(s)) // 2.9 syncs every two minutes, which cannot be changed
		}
		file := filepath.Join(dir, "nats.conf")
		if err := os.WriteFile(file, []byte(config+"}\n"), 0o600); err != nil {
			return nil, err
		}
		cmd.Args = append(cmd.Args, "-c", file)
		return cmd, nil
	}
}

// keptMosquitto returns the lines for persistence. mosquitto never syncs, and writes its whole state at once. Here it
// does so after as many changes as events are in flight, which is about as often as Runnel writes. With a backlog each
// of these writes would be very large, so mosquitto then writes once a minute.
func keptMosquitto(dir string, s scenario) string {
	save := fmt.Sprintf("autosave_on_changes true\nautosave_interval %d\n", s.work.window)
	if s.work.count > 500_000 {
		save = "autosave_interval 60\n"
	}
	return fmt.Sprintf("persistence_location %s/\nmax_queued_messages 0\nmax_inflight_messages %d\n", dir, keptWindow) + save
}
