package fleet

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"runnel/cmd/runnel/internal/config"
)

func open(t *testing.T, dir string) *Registry {
	t.Helper()
	return Open(dir, slog.New(slog.DiscardHandler))
}

func untaken(string) bool { return false }

// uri returns the URI of an *Error, or "".
func uri(err error) string {
	var refused *Error
	errors.As(err, &refused)
	if refused == nil {
		return ""
	}
	return refused.URI
}

func request(t *testing.T, node string) Request {
	t.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return Request{Node: node, Key: hex.EncodeToString(public)}
}

// Nodes and tokens survive a restart, and are principals of their own realm only.
func TestRegistryIsKept(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	text, token, err := r.NewToken("realm1", "gateway", 2, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Enrol("realm1", token.ID, request(t, "gw-1"), untaken); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Enrol("realm2", token.ID, request(t, "gw-2"), untaken); uri(err) != NoSuchToken {
		t.Errorf("a token of another realm: %v", err)
	}
	kept, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil || strings.Contains(string(kept), text[len(text)-32:]) {
		t.Errorf("%v, or the token is in the file: %s", err, kept)
	}
	r = open(t, dir)
	for role, want := range map[string]int{"gateway": 2, "other": 1} { // without the role, the token alone
		list := r.Principals(config.Realm{Name: "realm1", Roles: []config.Role{{Name: role}}})
		if len(list) != want {
			t.Errorf("role %s: %d principals", role, len(list))
		}
	}
	if list := r.Principals(config.Realm{Name: "realm2"}); len(list) != 0 {
		t.Errorf("%d principals of another realm", len(list))
	}
}

// Invalid requests are rejected and do not use up the token.
func TestRequestsAreChecked(t *testing.T) {
	r := open(t, t.TempDir())
	_, token, err := r.NewToken("realm1", "gateway", 1, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []Request{
		{}, {Node: "gw"}, {Node: "gw", Key: "nonsense"}, {Node: "", Key: request(t, "x").Key}, {Node: "a b", Key: request(t, "x").Key},
		{Node: "gw\x1b[2J", Key: request(t, "x").Key}, {Node: strings.Repeat("a", 300), Key: request(t, "x").Key},
		{Node: "gw", Key: request(t, "x").Key, Board: strings.Repeat("b", 300)}, {Node: "gw", Key: request(t, "x").Key, Version: "\n"},
	} {
		if _, err := r.Enrol("realm1", token.ID, q, untaken); uri(err) != Invalid {
			t.Errorf("%.80q: %v", q, err)
		}
	}
	if _, err := r.Enrol("realm1", token.ID, request(t, "pump"), func(authid string) bool { return authid == "pump" }); uri(err) != Taken {
		t.Errorf("an authid of the configuration: %v", err)
	}
	if used := r.Tokens("realm1")[0].Used; used != 0 {
		t.Errorf("%d uses", used)
	}
}

// A damaged file is not replaced, and the registry reports an error.
func TestDamagedFileIsKept(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, fileName)
	for _, text := range []string{"", "{", `{"version":2}`} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r := open(t, dir)
		if _, _, err := r.NewToken("realm1", "gateway", 1, time.Hour); uri(err) != NoData {
			t.Errorf("%q: %v", text, err)
		}
		if kept, _ := os.ReadFile(file); string(kept) != text {
			t.Errorf("%q was replaced by %q", text, kept)
		}
	}
	if _, _, err := open(t, "").NewToken("realm1", "gateway", 1, time.Hour); uri(err) != NoData {
		t.Errorf("without a directory: %v", err)
	}
}

// The number of tokens is bounded. Spent tokens make room for new ones.
func TestTokensAreBounded(t *testing.T) {
	r := open(t, t.TempDir())
	for i := range mostTokens {
		r.kept.Tokens = append(r.kept.Tokens, Token{ID: string(rune('a' + i)), Realm: "realm1", Uses: 1, Expires: time.Now().Add(time.Hour)})
	}
	if _, _, err := r.NewToken("realm1", "gateway", 1, time.Hour); uri(err) != Full {
		t.Error(err)
	}
	r.kept.Tokens[7].Expires = time.Now()
	if _, _, err := r.NewToken("realm1", "gateway", 1, time.Hour); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		uses int
		life time.Duration
	}{{0, time.Hour}, {-1, time.Hour}, {MostUses + 1, time.Hour}, {1, 0}, {1, -time.Hour}, {1, 2 * LongestLife}} {
		if _, _, err := r.NewToken("realm1", "gateway", c.uses, c.life); uri(err) != Invalid {
			t.Errorf("%v: %v", c, err)
		}
	}
}

func TestParseToken(t *testing.T) {
	for _, text := range []string{"", "runnel", "runnel-12345678-", "runnel-1234-" + strings.Repeat("a", 32), "other-12345678-" + strings.Repeat("a", 32)} {
		if _, _, err := ParseToken(text); err == nil {
			t.Errorf("%q is a token", text)
		}
	}
}
