package systemd

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// environment sets the variables that systemd would set.
func environment(t *testing.T, pid, count, names string) {
	t.Setenv("LISTEN_PID", pid)
	t.Setenv("LISTEN_FDS", count)
	t.Setenv("LISTEN_FDNAMES", names)
}

func TestSockets(t *testing.T) {
	own := strconv.Itoa(os.Getpid())
	for _, c := range []struct{ pid, count, names, want string }{
		{"", "1", "", "passed no sockets"},
		{own, "", "", "passed no sockets"},
		{"1", "1", "", "to process 1, which is not this one"},
		{own, "many", "", "not a number up to"},
		{own, "-1", "", "not a number up to"},
		{own, "99999999999", "", "not a number up to"},
		{own, "3", "web:local:web", "web local web"},
		{own, "3", "web:", "web unknown unknown"}, // too few names
		{own, "1", "web:local", "web"},            // too many
		{own, "0", "", ""},
	} {
		environment(t, c.pid, c.count, c.names)
		list, err := sockets()
		var names []string
		for i, s := range list {
			names = append(names, s.name)
			if s.fd != 3+i {
				t.Errorf("%v: socket %d is descriptor %d", c, i, s.fd)
			}
		}
		got := strings.Join(names, " ")
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, c.want) || err == nil && got != c.want {
			t.Errorf("%v: got %q", c, got)
		}
	}
}

func TestChoice(t *testing.T) {
	environment(t, strconv.Itoa(os.Getpid()), "4", "web:local:web:runnel.socket")
	for _, c := range []struct {
		name   string
		others []string
		want   []int
	}{
		{"web", nil, []int{3, 5}},
		{"runnel.socket", []string{"runnel.socket"}, []int{6}},
		{"", nil, []int{3, 4, 5, 6}},
		{"", []string{"web", "absent"}, []int{4, 6}},
		{"", []string{"web", "local", "runnel.socket"}, nil},
		{"We", nil, nil},
	} {
		passed, err := sockets()
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, s := range choose(passed, c.name, c.others) {
			got = append(got, s.fd)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q besides %v: got %v, want %v", c.name, c.others, got, c.want)
		}
	}
	if unused := Unused([]string{"web", "absent"}); !slices.Equal(unused, []string{"local", "runnel.socket"}) {
		t.Errorf("unused: %v", unused)
	}
	if unused := Unused([]string{""}); unused != nil {
		t.Errorf("unused: %v", unused)
	}
}

func TestNames(t *testing.T) {
	longest := strings.Repeat("a", 255)
	for url, want := range map[string]string{"systemd:": "", "systemd:web": "web", "SYSTEMD:a b": "a b", "systemd:" + longest: longest} {
		if name, ok := Name(url); !ok || name != want || CheckName(name) != nil {
			t.Errorf("%s: %q, %v, %v", url, name, ok, CheckName(name))
		}
	}
	for _, url := range []string{"", "systemd", "tcp://systemd:1"} {
		if name, ok := Name(url); ok {
			t.Errorf("%q: %q", url, name)
		}
	}
	for _, name := range []string{"//web", "a:b", "Ä", "a\n", longest + "a"} {
		if CheckName(name) == nil {
			t.Errorf("%q is a name", name)
		}
	}
}
