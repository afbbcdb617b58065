package fleet

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

// The longest lifetime and the maximum uses of a token, and values just beyond them.
func TestUsesAndLifeOfTokens(t *testing.T) {
	r := open(t, t.TempDir())
	for _, c := range []struct {
		uses int
		life time.Duration
		ok   bool
	}{
		{1, time.Second, true}, {MostUses, LongestLife, true}, {0, time.Hour, false}, {MostUses + 1, time.Hour, false},
		{1, time.Second - 1, false}, {1, LongestLife + 1, false},
	} {
		if _, _, err := r.NewToken("realm1", "gateway", c.uses, c.life); (err == nil) != c.ok || !c.ok && uri(err) != Invalid {
			t.Errorf("%d uses, %v: %v", c.uses, c.life, err)
		}
	}
}

func TestSpent(t *testing.T) {
	end := time.Now()
	for _, c := range []struct {
		used, uses int
		after      time.Duration
		want       string
	}{{0, 1, -1, ""}, {1, 2, -1, ""}, {2, 2, -1, "used up"}, {3, 2, -1, "used up"}, {0, 1, 0, "expired"}, {0, 1, 1, "expired"}} {
		if got := (Token{Used: c.used, Uses: c.uses, Expires: end}).spent(end.Add(c.after)); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// A revoked token and a forgotten node disappear; others stay.
func TestRevokeAndForget(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	var ids []string
	for range 3 {
		_, token, err := r.NewToken("realm1", "gateway", 9, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, token.ID)
	}
	for i, node := range []string{"gw-b", "gw-a", "gw-c"} {
		if _, err := r.Enrol("realm1", ids[i], request(t, node), untaken); err != nil {
			t.Fatal(err)
		}
	}
	names := func() (text string) {
		for _, n := range r.Nodes("realm1") {
			text += n.ID + " "
		}
		return fmt.Sprint(text, len(r.Tokens("realm1")), len(r.Nodes("realm2")), len(r.Tokens("realm2")))
	}
	if got := names(); got != "gw-a gw-b gw-c 3 0 0" {
		t.Error(got)
	}
	if r.Tokens("realm1")[0].ID != ids[2] {
		t.Error("the newest token is not the first")
	}
	if err := r.Forget("realm2", "gw-a"); uri(err) != NoSuchNode {
		t.Errorf("a node of another realm: %v", err)
	}
	if err := r.Revoke("realm2", ids[1]); uri(err) != NoSuchToken {
		t.Errorf("a token of another realm: %v", err)
	}
	if err := r.Forget("realm1", "gw-b"); err != nil {
		t.Error(err)
	}
	if err := r.Revoke("realm1", ids[0]); err != nil {
		t.Error(err)
	}
	if got := names(); got != "gw-a gw-c 2 0 0" {
		t.Error(got)
	}
	if r.Forget("realm1", "gw-b") == nil || r.Revoke("realm1", ids[0]) == nil {
		t.Error("what is gone is removed again")
	}
	if r = open(t, dir); names() != "gw-a gw-c 2 0 0" {
		t.Errorf("after a restart: %s", names())
	}
}

// A node enrols again with its key, which does not use up the token. Another node cannot take its id.
func TestEnrolAgain(t *testing.T) {
	r := open(t, t.TempDir())
	_, token, err := r.NewToken("realm1", "gateway", 2, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	q := request(t, "gw-1")
	for range 5 {
		if _, err := r.Enrol("realm1", token.ID, q, untaken); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Enrol("realm1", token.ID, request(t, "gw-1"), untaken); uri(err) != Taken {
		t.Errorf("another key: %v", err)
	}
	if _, err := r.Enrol("realm1", token.ID, request(t, "gw-2"), func(id string) bool { return id == "gw-2" }); uri(err) != Taken {
		t.Errorf("a principal of the configuration: %v", err)
	}
	if used := r.Tokens("realm1")[0].Used; used != 1 {
		t.Errorf("the token was used %d times", used)
	}
	q.Board = strings.Repeat("b", longest)
	if _, err := r.Enrol("realm1", token.ID, q, untaken); err != nil {
		t.Errorf("the longest text: %v", err)
	}
	q.Board += "b"
	if _, err := r.Enrol("realm1", token.ID, q, untaken); uri(err) != Invalid {
		t.Errorf("a longer text: %v", err)
	}
}

func TestPrint(t *testing.T) {
	var b bytes.Buffer
	if err := PrintNodes(&b, nil); err != nil || b.String() != "no nodes\n" {
		t.Errorf("%q, %v", &b, err)
	}
	b.Reset()
	if err := PrintTokens(&b, nil); err != nil || b.String() != "no tokens\n" {
		t.Errorf("%q, %v", &b, err)
	}
	b.Reset()
	up := NodeReport{Node: Node{ID: "gw-1", Role: "gateway"}, Up: true}
	down := NodeReport{Node: Node{ID: "gw-2", Role: "gateway"}}
	if err := PrintNodes(&b, []NodeReport{up, down}); err != nil || strings.Count(b.String(), "\n") != 3 || strings.Count(b.String(), " up ") != 1 || strings.Count(b.String(), " down ") != 1 {
		t.Errorf("%s, %v", &b, err)
	}
}
