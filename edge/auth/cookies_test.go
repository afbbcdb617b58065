package auth

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func cookiePrincipals(t *testing.T, ticket Secret, role string) *Principals {
	t.Helper()
	p, err := NewPrincipals([]Principal{{Authid: "joe", Role: role, Ticket: ticket}, {Authid: "ann", Role: "user", CRA: &CRA{Secret: "x"}}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func saved(t *testing.T, c *Cookies) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestCookies(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new", "cookies.json")
	joe := Identity{Authid: "joe", Role: "user", Method: "ticket", Provider: "static"}
	now := cookiePrincipals(t, "secret", "user")
	c := OpenCookies(file, slog.Default())
	c.Remember("value", Proof{"realm1", joe, now.Basis(joe), time.Hour, "192.0.2.1"})
	c.Remember("old", Proof{"realm1", joe, now.Basis(joe), -time.Second, "192.0.2.1"})
	saved(t, c)
	text, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(text), "value") || strings.Contains(string(text), "secret") {
		t.Errorf("the file has a secret, or there is none: %s, %v", text, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v, %v", info.Mode(), err)
	}
	c = OpenCookies(file, slog.Default()) // after a restart
	if !c.Known("value") || c.Known("old") || c.Known("other") {
		t.Error("the wrong ones are known")
	}
	for name, found := range map[string]bool{"value": true, "old": false, "other": false} {
		if id, ok := c.Find(name, "realm1", now.Basis); ok != found || ok && id.Authid+id.Role+id.Method+id.Provider != "joeuserticketstatic" {
			t.Errorf("%s stands for %+v, %v", name, id, ok)
		}
	}
	if _, ok := c.Find("value", "realm2", now.Basis); ok {
		t.Error("it counts in another realm")
	}
	for name, next := range map[string]*Principals{
		"another ticket": cookiePrincipals(t, "changed", "user"), "another role": cookiePrincipals(t, "secret", "admin"),
	} {
		c := OpenCookies(file, slog.Default())
		if _, ok := c.Find("value", "realm1", next.Basis); ok {
			t.Errorf("%s: it still counts", name)
		}
		if _, ok := c.Find("value", "realm1", now.Basis); ok {
			t.Errorf("%s: it counts again", name)
		}
	}
	c.Keep("realm2", func(Identity) bool { return false })
	if !c.Known("value") {
		t.Error("it went with another realm's")
	}
	c.Keep("realm1", func(Identity) bool { return false })
	if c.Known("value") {
		t.Error("it is still known")
	}
}

func TestCookiesAreBounded(t *testing.T) {
	c := OpenCookies("", slog.Default())
	for i := range maxCookies + 10 {
		c.Remember(fmt.Sprint(i), Proof{Realm: "realm1", Age: time.Hour + time.Duration(i)*time.Minute})
	}
	if len(c.known) != maxCookies || c.Known("0") || !c.Known("10") || !c.Known(fmt.Sprint(maxCookies)) {
		t.Errorf("%d are known", len(c.known))
	}
}

// TestCookiesAreWrittenLater: a failed save is logged once, and repeated until it succeeds.
func TestCookiesAreWrittenLater(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // a file in place of the directory
		t.Fatal(err)
	}
	var log strings.Builder
	c := OpenCookies("", slog.New(slog.NewTextHandler(&log, nil)))
	c.file = filepath.Join(dir, "cookies.json")
	c.Remember("value", Proof{Realm: "realm1", Age: time.Hour})
	saved(t, c)
	saved(t, c)
	if n := strings.Count(log.String(), "cannot write cookies"); n != 1 {
		t.Errorf("told of %d times: %s", n, log.String())
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	saved(t, c)
	if !OpenCookies(c.file, slog.Default()).Known("value") {
		t.Error("it is not written")
	}
}

func TestBrokenCookies(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cookies.json")
	if err := os.WriteFile(file, []byte(`[{"hash":"AQ=="},`), 0o600); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	c := OpenCookies(file, slog.New(slog.NewTextHandler(&log, nil)))
	if c.Known("") || !strings.Contains(log.String(), "cannot read cookies") {
		t.Errorf("the log says %q", log.String())
	}
}

func TestBasis(t *testing.T) {
	p := cookiePrincipals(t, "secret", "user")
	for _, c := range []struct {
		id Identity
		ok bool
	}{
		{Identity{Authid: "joe", Role: "user", Method: "ticket"}, true},
		{Identity{Authid: "ann", Role: "user", Method: "wampcra"}, true},
		{Identity{Authid: "joe", Role: "user", Method: "wampcra"}, false},
		{Identity{Authid: "joe", Role: "admin", Method: "ticket"}, false},
		{Identity{Authid: "eve", Role: "user", Method: "ticket"}, false},
		{Identity{Authid: "joe", Role: "user", Method: "tls"}, false},
	} {
		if got := p.Basis(c.id); (got != nil) != c.ok {
			t.Errorf("%+v: %s", c.id, got)
		}
	}
}

// TestForgetCookies: a forgotten cookie is removed from the file at once. A cookie may pass to another user only at the
// address where it was issued.
func TestForgetCookies(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cookies.json")
	now := cookiePrincipals(t, "secret", "user")
	joe := Identity{Authid: "joe", Role: "user", Method: "ticket", Provider: "static"}
	ann := Identity{Authid: "ann", Role: "user", Method: "wampcra", Provider: "static"}
	c := OpenCookies(file, slog.Default())
	proof := func(id Identity, from string) Proof { return Proof{"realm1", id, now.Basis(id), time.Hour, from} }
	is := func(value, authid string) {
		t.Helper()
		if id, ok := c.Find(value, "realm1", now.Basis); id.Authid != authid || ok != (authid != "") {
			t.Errorf("%s stands for %q, want %q", value, id.Authid, authid)
		}
	}
	c.Remember("a", proof(joe, "192.0.2.1"))
	c.Remember("a", proof(ann, "192.0.2.1"))
	is("a", "ann")
	c.Remember("a", proof(joe, "192.0.2.9")) // ann may have planted it
	is("a", "")
	c.Remember("b", proof(joe, "192.0.2.1"))
	c.Remember("b", proof(joe, "192.0.2.9"))
	is("b", "joe")
	c.Remember("c", proof(joe, "192.0.2.1"))
	c.Remember("d", proof(ann, "192.0.2.1"))
	c.Drop("realm1", func(id Identity) bool { return id.Authid == "joe" }, "b")
	c.Drop("realm2", func(Identity) bool { return true }, "")
	is("b", "joe")
	is("c", "")
	is("d", "ann")
	saved(t, c)

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()
	c.Forget("d")
	for {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), `"ann"`) {
			break
		}
		runtime.Gosched()
	}
	cancel()
	<-ended
}

// The basis changes with every secret of the principal, so that a new secret makes its cookies invalid.
func TestBasisChangesWithSecrets(t *testing.T) {
	scram := cheap(t, kdfPBKDF2)
	other := *scram
	other.StoredKey = make([]byte, 32)
	bases := map[string]string{}
	for name, p := range map[string]Principal{
		"scram": {SCRAM: scram}, "other scram": {SCRAM: &other}, "cra": {SCRAM: scram, CRA: &CRA{Secret: "x"}},
		"other cra": {SCRAM: scram, CRA: &CRA{Secret: "y"}}, "ticket": {SCRAM: scram, Ticket: "x"}, "key": {SCRAM: scram, Keys: []ed25519.PublicKey{public(1)}},
	} {
		p.Authid, p.Role = "joe", "user"
		b := string(principals(t, []Principal{p}).Basis(Identity{Authid: "joe", Role: "user", Method: "wamp-scram"}))
		if before, twice := bases[b]; twice || b == "" {
			t.Errorf("%s has the basis of %q: %s", name, before, b)
		}
		bases[b] = name
	}
}

// A full store forgets expired cookies and, if there are none, the one that expires first.
func TestCookiesMakeRoom(t *testing.T) {
	joe := Identity{Authid: "joe", Role: "user", Method: "ticket"}
	c := OpenCookies("", slog.Default())
	add := func(name string, age time.Duration) {
		c.Remember(name, Proof{Realm: "realm1", Identity: joe, Age: age})
	}
	for i := range maxCookies - 2 {
		add(fmt.Sprint("c", i), time.Duration(i+2)*time.Hour)
	}
	add("expired", -time.Minute)
	add("next", time.Hour)
	if add("full", 9999*time.Hour); c.Known("expired") || !c.Known("next") || !c.Known("full") {
		t.Error("the expired cookie must go first")
	}
	if add("one more", 9999*time.Hour); c.Known("next") || !c.Known("c0") || len(c.known) != maxCookies {
		t.Errorf("the cookie that expires first must go; %d are left", len(c.known))
	}
	c.Forget("unknown")
	if len(c.known) != maxCookies {
		t.Error("forgetting an unknown cookie has an effect")
	}
}

// A file with more cookies than are kept is read as far as there is room.
func TestTooManyCookiesInTheFile(t *testing.T) {
	var list []cookie
	for i := range maxCookies + 1 {
		hash := sha256.Sum256(fmt.Append(nil, i))
		list = append(list, cookie{Hash: hash[:], Until: time.Now().Add(time.Hour)})
	}
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "cookies.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if c := OpenCookies(file, slog.Default()); len(c.known) != maxCookies {
		t.Errorf("%d cookies are read", len(c.known))
	}
}

// Run saves a new cookie within some seconds.
func TestRunSavesCookies(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cookies.json")
	synctest.Test(t, func(t *testing.T) {
		c := OpenCookies(file, slog.Default())
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- c.Run(ctx) }()
		c.Remember("value", Proof{Realm: "realm1", Age: time.Hour})
		time.Sleep(cookiesTime + time.Millisecond)
		synctest.Wait()
		if !OpenCookies(file, slog.Default()).Known("value") {
			t.Error("it is not written")
		}
		cancel()
		<-ended
	})
}
