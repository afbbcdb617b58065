package kit

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// Parts are ended in reverse, also those before one that fails. An error of any of them fails the tests.
func TestParts(t *testing.T) {
	broken := errors.New("as wanted by TestParts")
	for _, c := range []struct {
		name          string
		fails, breaks string // the part that cannot be prepared, or ended
		status, want  int
		calls         string
	}{
		{"all is well", "", "", 0, 0, "+a +b run -b -a"},
		{"a test fails", "", "", 1, 1, "+a +b run -b -a"},
		{"a part fails", "b", "", 0, 1, "+a -a"},
		{"an end fails", "", "a", 0, 1, "+a +b run -b -a"},
	} {
		var calls []string
		part := func(name string) Part {
			return func(dir string) (func() error, error) {
				if _, err := os.Stat(dir); err != nil {
					t.Error(err)
				}
				if name == c.fails {
					return nil, broken
				}
				calls = append(calls, "+"+name)
				return func() error {
					calls = append(calls, "-"+name)
					if name == c.breaks {
						return broken
					}
					return nil
				}, nil
			}
		}
		status := run(func() int {
			calls = append(calls, "run")
			return c.status
		}, []Part{part("a"), part("b")})
		if got := strings.Join(calls, " "); status != c.want || got != c.calls {
			t.Errorf("%s: status %d, %s; want %d, %s", c.name, status, got, c.want, c.calls)
		}
	}
}

// A goroutine that ends late is no leak; one that remains is.
func TestLeak(t *testing.T) {
	ends := make(chan struct{})
	go func() { <-ends }()
	if leak(0) == nil {
		t.Error("a goroutine that remains is not found")
	}
	time.AfterFunc(time.Second, func() { close(ends) })
	if err := leak(Patience); err != nil {
		t.Error(err)
	}
}

// A goroutine that sends more than a channel has room for ends with the test, before the cleanup that waits for it.
func TestSend(t *testing.T) {
	t.Run("", func(t *testing.T) {
		sent := make(chan int, 1)
		Background(t, func() {
			for n := range 4 {
				Send(t, sent, n)
			}
		}, func() {})
		if n := Receive(t, "the first value", sent); n != 0 {
			t.Error(n)
		}
	})
}
