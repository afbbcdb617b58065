package lines

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"runnel/edge/client"
	"runnel/test/kit"
)

// runnel.status shows the state and the counters of the link, and the link's settings take effect.
func TestLinkInStatus(t *testing.T) {
	dir := t.TempDir()
	near, far := filepath.Join(dir, "near"), filepath.Join(dir, "far")
	a, b := plug(t, near), plug(t, far)
	go io.Copy(a, b)
	go io.Copy(b, a)
	r := start(t, fmt.Sprintf("[[serial]]\nname = \"shed\"\ndevice = %q\nrole = \"sensor\"\nframe = 64\nwindow = 2\nt1 = \"1s\"\n", near))
	status := func() (text string, link struct {
		Up             bool
		Peer           string
		Frame, Window  int
		FramesIn       int `json:"frames_in"`
		FramesOut      int `json:"frames_out"`
		Connections    int
		Resets, Resent int
	}) {
		t.Helper()
		text, _ = run(t, 0, "status", "--json", "--url", r.url)
		var report struct {
			Serial []struct{ Link json.RawMessage }
		}
		kit.Must(t, json.Unmarshal([]byte(text), &report))
		if len(report.Serial) != 1 || report.Serial[0].Link == nil {
			t.Fatalf("no link in %s", text)
		}
		kit.Must(t, json.Unmarshal(report.Serial[0].Link, &link))
		return text, link
	}
	if text, link := status(); link.Up || link.Connections != 0 {
		t.Errorf("up without a device: %s", text)
	}
	device := r.join(t, "serial://"+far+"?framing=hdlc&name=green+%1b%5bhouse&frame=128&window=4&t1=1s")
	events := r.hear(t)
	kit.Must(t, device.Publish(t.Context(), "com.example.long", client.PublishOptions{Acknowledge: true}, client.Args(strings.Repeat("x", 640))))
	if e := next(t, events); e.topic != "com.example.long" {
		t.Errorf("%v", e)
	}
	text, link := status()
	// 640 octets are ten frames of 64 octets, the router's limit, although the device would send longer frames.
	if !link.Up || link.Peer != "green \x1b[house" || link.Frame != 128 || link.Window != 4 || link.Connections != 1 || link.FramesIn < 12 || link.FramesOut < 3 {
		t.Errorf("%+v\n%s", link, text)
	}
	stdout, _ := run(t, 0, "status", "--url", r.url)
	if !strings.Contains(stdout, `link up for `) || !strings.Contains(stdout, `device "green \x1b[house"`) || strings.Contains(stdout, "\x1b") {
		t.Error(stdout)
	}
	b.Close() // the far end is unplugged: the near one receives nothing more
	kit.Must(t, a.Close())
	kit.Eventually(t, "the link is down", func() bool {
		_, link := status()
		return !link.Up && link.Connections == 1
	})
}
