package stories

import (
	"syscall"
	"testing"
)

func TestDemo(t *testing.T) {
	r := runnel(t, "demo", "--for", "10s")
	for _, line := range []string{
		"sensor            joined realm1 over the serial line, as greenhouse-mcu",
		"sensor            publishes com.example.weather",
		"local program     received com.example.weather",
		"cloud subscriber  received com.example.weather",
		"sensor            is asked for com.example.greenhouse.set_point 24; it was 21",
		"cloud caller      got the answer 21",
		"Done: ",
	} {
		r.expect(t, 0, line, "")
	}
	if r.stderr != "" {
		t.Errorf("stderr: %s", r.stderr)
	}
}

// Ctrl-C ends it in good order; a demo in which nothing has happened yet has failed.
func TestDemoEnds(t *testing.T) {
	p := start(t, "demo")
	p.sees("cloud caller      got the answer")
	p.signal(syscall.SIGINT)
	if status := p.wait(); status != 0 {
		t.Errorf("Ctrl-C: status %d", status)
	}
	runnel(t, "demo", "--for", "1ms").expect(t, 1, "", "nothing arrived at")
}
