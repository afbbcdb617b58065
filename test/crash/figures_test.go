package crash

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/test/kit"
	"runnel/test/program"
)

// written returns the number of bytes that a process has had written to disks, in whole pages, as counted by the kernel.
func written(t *testing.T, pid int) int64 {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		t.Skip(err)
	}
	m := regexp.MustCompile(`(?m)^write_bytes: (\d+)`).FindSubmatch(data)
	n, _ := strconv.ParseInt(string(m[1]), 10, 64)
	return n
}

// sizeOf returns the total size of the files below dir in bytes.
func sizeOf(dir string) (octets int64) {
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if info, err := d.Info(); err == nil {
				octets += info.Size()
			}
		}
		return nil
	})
	return octets
}

// TestWritten measures how much 1,000 messages of 100 bytes write to the disk, by class, with the link up and down.
// With a fast link, the gateway writes nothing, because an event that the centre has acknowledged need not be on this
// disk.
func TestWritten(t *testing.T) {
	payload := strings.Repeat("x", 100)
	for _, class := range []string{"memory", "disk", "durable"} {
		for _, up := range []bool{true, false} {
			t.Run(fmt.Sprint(class, " up=", up), func(t *testing.T) {
				settings := "min_free = 0"
				if up {
					settings += "\nspill_after = \"30s\"\nsync = \"10s\"" // a slow machine must not look like a slow link
				}
				list := tiers(t, settings, "edge", "top")
				edge, top := list[0], list[1]
				if up {
					top.begin()
					defer top.stop()
				}
				edge.begin()
				defer edge.stop()
				c := edge.join()
				if up {
					awaitUp(t, c)
				}
				before := written(t, edge.process.PID())
				publishAll(t, c, "crash."+class+".x", 1000, payload)
				kit.Eventually(t, "all is where it should be", func() bool {
					q := edge.queue(c)
					return up && q.events == 0 || !up && q.events == 1000 && (class == "memory" || q.onDisk == 1000)
				})
				spool := filepath.Join(edge.data(), "uplink")
				size, pages := sizeOf(spool), written(t, edge.process.PID())-before
				t.Logf("%d bytes in files, %d bytes written to the disk", size, pages)
				if (up || class == "memory") && size > 0 {
					t.Error("something was written")
				}
				if !up && class != "memory" && (size < 100_000 || size > 250_000) {
					t.Error("that is not what it should be")
				}
			})
		}
	}
}

// publishAll publishes n acknowledged events, many at a time.
func publishAll(t *testing.T, c *client.Client, topic string, n int, payload string) {
	t.Helper()
	said := make(chan error, n)
	for range n {
		o := client.PublishOptions{Done: func(_ uint64, err error) { said <- err }}
		if err := c.Publish(t.Context(), topic, o, client.Args(payload)); err != nil {
			t.Fatal(err)
		}
	}
	for range n {
		select {
		case err := <-said:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(kit.Patience):
			t.Fatal("not acknowledged")
		}
	}
}

// awaitUp waits until the router's uplink is up.
func awaitUp(t *testing.T, c *client.Client) {
	t.Helper()
	kit.Eventually(t, "the link comes up", func() bool {
		r, err := c.Call(t.Context(), "runnel.status", client.CallOptions{}, client.Payload{})
		if err != nil {
			t.Fatal(err)
		}
		links := r.Args()[0].(map[string]any)["uplinks"].([]any)
		up, _ := links[0].(map[string]any)["up"].(bool)
		return up
	})
}

// TestWrittenByMosquitto measures the same for mosquitto, for comparison: with persistence that survives a crash, and
// an absent subscriber. It only reports the figures.
func TestWrittenByMosquitto(t *testing.T) {
	if os.Getenv("RUNNEL_FIGURES") == "" {
		t.Skip("RUNNEL_FIGURES is not set: this writes 100 MB")
	}
	for _, tool := range []string{"mosquitto", "mosquitto_pub", "mosquitto_sub"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	dir := t.TempDir()
	port := strconv.Itoa(kit.FreePort(t))
	config := fmt.Sprintf("listener %s 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location %s/\n"+
		"autosave_on_changes true\nautosave_interval 1\nmax_queued_messages 0\nuser root\n", port, dir)
	file := filepath.Join(dir, "mosquitto.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	broker, err := program.Start(exec.Command("mosquitto", "-c", file))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		broker.Signal(15)
		broker.Wait()
	}()
	to := []string{"-h", "127.0.0.1", "-p", port, "-q", "1", "-t", "a"}
	kit.Eventually(t, "mosquitto serves", func() bool { // -E: subscribe and leave; -c: the session stays
		return exec.Command("mosquitto_sub", append(to, "-c", "-i", "away", "-E")...).Run() == nil
	})
	before := written(t, broker.PID())
	ctx, cancel := context.WithTimeout(t.Context(), kit.Patience)
	defer cancel()
	pub := exec.CommandContext(ctx, "mosquitto_pub", append(to, "-l")...)
	pub.Stdin = strings.NewReader(strings.Repeat(strings.Repeat("x", 100)+"\n", 1000))
	if out, err := pub.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%d bytes in files, %d bytes written to the disk", sizeOf(dir), written(t, broker.PID())-before)
}

// A backlog drains completely and in order. RUNNEL_BACKLOG is its length.
func TestBacklog(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("RUNNEL_BACKLOG"))
	if err != nil {
		n = 3000
	}
	list := tiers(t, "min_free = 0\nmax_size = \"1GB\"", "edge", "top")
	edge, top := list[0], list[1]
	edge.begin()
	defer edge.stop()
	c := edge.join()
	for i := range n {
		if err := c.Publish(t.Context(), "crash.disk.x", client.PublishOptions{Acknowledge: i%1000 == 999}, client.Args(i+1, strings.Repeat("x", 100))); err != nil {
			t.Fatal(err)
		}
	}
	kit.Eventually(t, "all is on disk", func() bool { return edge.queue(c).onDisk == int64(n) })
	top.hidden = true
	top.begin()
	defer top.stop()
	l := newLedger()
	l.watch(t, top.join())
	top.show()
	awaitUp(t, c)
	began := time.Now()
	arrived := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.seen["crash.disk.x"])
	}
	kit.Eventually(t, "all arrives", func() bool { return arrived() >= n })
	t.Logf("%d events in %v: %.0f a second", n, time.Since(began), float64(n)/time.Since(began).Seconds())
	if repeats := l.check(t); repeats > 0 || arrived() != n {
		t.Errorf("%d events came, %d of them again", arrived(), repeats)
	}
}
