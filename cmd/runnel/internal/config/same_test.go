package config

import (
	"os"
	"path/filepath"
	"testing"
)

// Same ignores the positions of settings, and finds every difference in their values.
func TestSame(t *testing.T) {
	read := func(text string) *Config {
		c, err := Parse("test.toml", text)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	const link = "[[uplink]]\nname = \"a\"\nurl = [\"tcp://127.0.0.1:1\"]\nticket = \"x\"\nauthid = \"a\"\n[[uplink.export]]\ntopic = \"a\"\n"
	one := read(realm1 + link)
	for _, c := range []struct {
		text string
		same bool
	}{
		{realm1 + link, true},
		{realm1 + "\n# moved\n\n" + link, true},
		{realm1 + link + "match = \"prefix\"\n", false},
		{realm1 + link + "[[uplink.export]]\ntopic = \"b\"\n", false},
		{realm1 + link + "[[uplink.import]]\ntopic = \"b\"\n", false},
	} {
		if got := Equal(one.Uplinks[0], read(c.text).Uplinks[0]); got != c.same {
			t.Errorf("%v\n%s", got, c.text)
		}
	}
	guest := read(realm1 + "[[realm.principal]]\nauthid = \"a\"\nrole = \"guest\"\nuid = 1\n[realm.authenticator]\nticket = \"a.b\"\n")
	for _, text := range []string{
		"[[realm.principal]]\nauthid = \"a\"\nrole = \"guest\"\nuid = 2\n[realm.authenticator]\nticket = \"a.b\"\n",
		"[[realm.principal]]\nauthid = \"a\"\nrole = \"guest\"\nuid = 1\n[realm.authenticator]\nticket = \"a.c\"\n",
		"[[realm.principal]]\nauthid = \"a\"\nrole = \"guest\"\nuid = 1\n[realm.authenticator]\nwampcra = \"a.b\"\n",
		"[[realm.principal]]\nauthid = \"a\"\nrole = \"guest\"\ngid = 1\n[realm.authenticator]\nticket = \"a.b\"\n",
	} {
		if Equal(guest.Realms, read(realm1+text).Realms) {
			t.Error(text)
		}
	}
}

// A secret that changes in its file requires a new uplink.
func TestFilesChange(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ticket")
	u := Uplink{Ticket: NewSecret("file:" + file)}
	files := func() digest {
		d, _ := u.digests()
		return d
	}
	none := files()
	if err := os.WriteFile(file, []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	one := files()
	if none == one || one != files() {
		t.Errorf("%x, %x", none, one)
	}
	if err := os.WriteFile(file, []byte("b"), 0o600); err != nil {
		t.Fatal(err)
	}
	if one == files() {
		t.Error("it has not changed")
	}
}
