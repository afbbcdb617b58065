//go:build unix

package remote

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"runnel/cmd/runnel/internal/report"
	"runnel/cmd/runnel/internal/term"
	"runnel/edge/client"
	"runnel/test/kit"
	"runnel/test/standin"
)

// The error for a user that may not open a socket says who may.
func TestSocketHint(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	socket := kit.Write(t, t.TempDir(), "r.sock", "")
	denied := fmt.Errorf("dial: %w", fs.ErrPermission)
	for _, c := range []struct {
		uid, gid int
		mode     os.FileMode
		want     string
		group    string // whose members may read and write
	}{
		{0, 4_000_123, 0o660, "join the group 4000123, whose members may open it", "4000123"}, {0, 4_000_123, 0o610, "join the group 4000123", ""},
		{0, 4_000_123, 0o600, "only root may open it", ""}, {0, 0, 0o660, "only root may open it", ""}, {4_000_124, 0, 0o600, "only the user #4000124 may open it", ""},
		{4_000_124, 4_000_123, 0o640, "only the user #4000124 may open it", ""},
	} {
		kit.Must(t, os.Chown(socket, c.uid, c.gid))
		kit.Must(t, os.Chmod(socket, c.mode))
		if got := socketHint("unix://"+socket, denied); !strings.Contains(got, c.want) {
			t.Errorf("%+v: %s", c, got)
		}
		if got := fileGroup(socket); got != c.group {
			t.Errorf("%+v: %q", c, got)
		}
	}
	for url, err := range map[string]error{"unix://" + socket: fs.ErrClosed, "tcp://a:1": denied, "unix:///nowhere/at/all": denied} {
		if got := socketHint(url, err); got != "" {
			t.Errorf("%s, %v: %s", url, err, got)
		}
	}
	if got := socketHint("unix://"+socket+"-", denied); got == "" {
		t.Error("the directory may be closed, too")
	}
	if fileGroup(socket+"-") != "" || groupName(0) == "0" || ownerName(0) != "root" || userName() != "root" {
		t.Errorf("%q, %s, %s, %s", fileGroup(socket+"-"), groupName(0), ownerName(0), userName())
	}
}

// A list is printed as text, or as the router sends it.
func TestListing(t *testing.T) {
	own := term.Stdout
	defer func() { term.Stdout = own }()
	c := router(t, standin.Everything, map[string]client.Handler{"runnel.list": saying(nil, []any{"a", "b"}), "runnel.number": saying(nil, 7)})
	for _, x := range []struct {
		procedure string
		asJSON    bool
		count     int
		want      string // the output; "" for an error
		printed   bool
	}{
		{"runnel.list", false, 1, "", true}, {"runnel.list", true, 1, "[\"a\",\"b\"]\n", false}, {"runnel.none", false, 1, "", false}, {"runnel.number", false, 1, "", false}, {"runnel.number", true, 1, "7\n", false},
		{"runnel.list", false, 0, "", false}, {"runnel.list", false, report.MaxPeeked, "", true}, {"runnel.list", false, report.MaxPeeked + 1, "", false},
	} {
		var out bytes.Buffer
		term.Stdout = &out
		l := Listing{Router: *at(c), asJSON: x.asJSON, count: x.count}
		var list []string
		printed := false
		err := l.Peek(x.procedure, nil, "name", &list, func() error { printed = true; return nil })
		if printed != x.printed || out.String() != x.want || (err == nil) != (x.want != "" || x.printed) || printed && len(list) != 2 {
			t.Errorf("%+v: %q, %v, %v", x, &out, list, err)
		}
	}
}
