package stories

import (
	"syscall"
	"testing"
)

func TestDemo(t *testing.T) {
	p := start(t, "demo")
	for _, line := range []string{
		"sensor            joined realm1 over the serial line, as greenhouse-mcu",
		"sensor            publishes com.example.weather",
		"local program     received com.example.weather",
		"cloud subscriber  received com.example.weather",
		"sensor            is asked for com.example.greenhouse.set_point 24; it was 21",
		"cloud caller      got the answer 21",
	} {
		p.sees(line)
	}
	p.Signal(syscall.SIGINT)
	if status := p.wait(); status != 0 {
		t.Errorf("Ctrl-C: status %d", status)
	}
	if text := p.Stderr.Text(); text != "" {
		t.Errorf("stderr: %s", text)
	}
}

// With --for the demo ends by itself. It fails if the demo has no results by then, so no other story runs at the same
// time.
func TestDemoEnds(t *testing.T) {
	runnel(t, "demo", "--for", "15s").expect(t, 0, "\nDone: ", "")
	runnel(t, "demo", "--for", "1ms").expect(t, 1, "", "nothing arrived at")
}
