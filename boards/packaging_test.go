package boards

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func lines(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile("packaging/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(strings.Split(string(text), "\n"), func(l string) bool {
		return strings.TrimSpace(l) == "" || strings.HasPrefix(l, "#")
	})
}

func TestUnit(t *testing.T) {
	unit := map[string]string{}
	section := ""
	for _, line := range lines(t, "runnel.service") {
		if strings.HasPrefix(line, "[") {
			section = line
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if _, twice := unit[section+key]; !ok || twice && key != "SystemCallFilter" { // a list, which may be continued
			t.Errorf("%s: %q", section, line)
		}
		unit[section+key] = value
	}
	for key, want := range map[string]string{
		"[Service]ExecStart":                "/usr/bin/runnel run",
		"[Service]Type":                     "notify",
		"[Service]ExecReload":               "/usr/bin/runnel reload --pid $MAINPID",
		"[Service]Restart":                  "always",
		"[Service]RuntimeDirectory":         "runnel",  // /run/runnel/runnel.sock
		"[Service]StateDirectory":           "runnel",  // /var/lib/runnel
		"[Service]RestartSec":               "5",       // restartTime in package service
		"[Service]RuntimeDirectoryPreserve": "restart", // the count of restarts
		"[Service]SupplementaryGroups":      "dialout",
		"[Service]NoNewPrivileges":          "yes",
		"[Service]ProtectSystem":            "strict",
		"[Install]WantedBy":                 "multi-user.target",
	} {
		if unit[key] != want {
			t.Errorf("%s=%s, want %s", key, unit[key], want)
		}
	}
	for _, key := range []string{"PrivateDevices", "DevicePolicy", "DeviceAllow", "ProtectClock"} {
		if value, ok := unit["[Service]"+key]; ok {
			t.Errorf("%s=%s keeps away ports that are plugged in later", key, value)
		}
	}
}

func TestUdevRules(t *testing.T) {
	const match = `(ACTION|SUBSYSTEM|ENV\{DEVTYPE\}|ATTR\{idVendor\}|ATTR\{idProduct\})[!=]="[0-9a-z_]+"`
	rule := regexp.MustCompile(`^(` + match + `, )+(ENV\{ID_MM_DEVICE_IGNORE\}="1"|GOTO="runnel_serial_end")$`)
	rules := lines(t, "70-runnel-serial.rules")
	last := len(rules) - 1
	if rules[last] != `LABEL="runnel_serial_end"` {
		t.Errorf("the last rule: %s", rules[last])
	}
	ids := regexp.MustCompile(`\{id(Vendor|Product)\}=="[0-9a-f]{4}"`)
	for _, line := range rules[:last] {
		if !rule.MatchString(line) || strings.Contains(line, "_IGNORE") && !ids.MatchString(line) {
			t.Errorf("no rule: %s", line)
		}
	}
}

func TestInitScript(t *testing.T) {
	text, err := os.ReadFile("packaging/runnel.init")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"#!/bin/sh /etc/rc.common\n", "\nUSE_PROCD=1\n", "\nstart_service() {\n", "procd_open_instance\n",
		`procd_set_param command "$PROG" run`, "reload_service() {\n", "procd_set_param env RUNTIME_DIRECTORY=/run/runnel", `"$PROG" reload --pid`, "procd_set_param respawn", "procd_close_instance\n"} {
		if !strings.Contains(string(text), part) {
			t.Errorf("%q is missing", part)
		}
	}
}
