package transport

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestTrouble checks that files are reported as long as they cannot be used.
func TestTrouble(t *testing.T) {
	cert, key, _ := certificate(t, t.TempDir(), "router")
	pair, err := OpenKeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	serial := pair.Certificate().Serial
	for _, c := range []struct {
		key     string
		trouble bool
	}{{"broken", true}, {string(good), false}} {
		if err := os.WriteFile(key, []byte(c.key), 0o600); err != nil {
			t.Fatal(err)
		}
		pair.Refresh()
		got := pair.Certificate()
		if (got.Trouble != "") != c.trouble || got.Serial != serial {
			t.Errorf("with a key of %d bytes: %+v", len(c.key), got)
		}
		if alarm := got.Alarm(time.Now()); strings.Contains(alarm, "cannot be used") != c.trouble {
			t.Errorf("with a key of %d bytes: alarm %q", len(c.key), alarm)
		}
	}
}

// TestAlarms checks the alarms for certificates that are invalid or expire soon.
func TestAlarms(t *testing.T) {
	const day = 24 * time.Hour
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	long := Certificate{NotBefore: from, NotAfter: from.Add(90 * day)}
	short := Certificate{NotBefore: from, NotAfter: from.Add(8 * day)}
	for _, c := range []struct {
		certificate Certificate
		after       time.Duration
		want        string
	}{
		{long, -1, "not valid before 2026-01-01 00:00 UTC"},
		{long, 0, ""},
		{long, 76 * day, ""},
		{long, 76*day + 1, "expires on 2026-04-01"},
		{long, 90*day - 1, "expires on"},
		{long, 90 * day, "expired on"},
		{short, 6 * day, ""},
		{short, 6*day + 1, "expires on 2026-01-09"},
		{Certificate{NotBefore: from, NotAfter: from.Add(90 * day), Trouble: "why"}, 0, "the certificate's files have changed and cannot be used: why"},
		{Certificate{NotBefore: from, NotAfter: from.Add(90 * day), Trouble: "why"}, 90 * day, "renew it; its files have changed and cannot be used: why"},
	} {
		got := c.certificate.Alarm(from.Add(c.after))
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%v after it is valid: %q, want %q", c.after, got, c.want)
		}
	}
}
