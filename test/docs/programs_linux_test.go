package docs

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"runnel/test/kit"
)

// programs runs the programs of http.md. For those of an ESP32, PHP and a crontab, it sends the same requests.
func (h *host) programs(page string) {
	h.t.Helper()
	h.serve("runnel sub com.example --match prefix")
	heard := h.running[len(h.running)-1]
	ran := 0
	for _, b := range read(h.t, page) {
		code, event := h.typed(b.text), ""
		switch {
		case b.kind != text:
			continue
		case strings.Contains(code, "HTTPClient http"):
			event = "com.example.weather celsius=21.5"
			h.esp32(code)
		case strings.Contains(code, "stream_context_create"):
			h.php(code)
		case strings.HasPrefix(code, "*/5 * * * * "):
			event = "com.example.load "
			h.foreground(strings.TrimPrefix(b.text, "*/5 * * * * "))
		default:
			continue
		}
		ran++
		if event != "" {
			kit.Eventually(h.t, event, func() bool { return strings.Contains(heard.Stdout.Text(), event) }, heard.String)
		}
	}
	if ran != 3 {
		h.t.Errorf("%d programs of %s were run, want 3", ran, page)
	}
}

// find returns the groups of a pattern that a program must match.
func (h *host) find(pattern, program string) []string {
	h.t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(program)
	if found == nil {
		h.t.Fatalf("%s is not in\n%s", pattern, program)
	}
	return found
}

// esp32 sends the request of a program for the HTTPClient of the Arduino core.
func (h *host) esp32(program string) {
	h.t.Helper()
	url := h.find(`http\.begin\("http://([^/"]+)(/[^"]*)"\)`, program)
	user := h.find(`http\.setAuthorization\("([^"]*)", "([^"]*)"\)`, program)
	header := h.find(`http\.addHeader\("([^"]*)", "([^"]*)"\)`, program)
	body, err := strconv.Unquote(h.find(`http\.POST\(("(?:[^"\\]|\\.)*")\)`, program)[1])
	kit.Must(h.t, err)
	answer := h.send(url[1], fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: ESP32HTTPClient\r\nAccept-Encoding: identity;q=1,chunked;q=0.1,*;q=0\r\n"+
		"Connection: close\r\nAuthorization: Basic %s\r\n%s: %s\r\nContent-Length: %d\r\n\r\n%s", url[2], url[1], basic(user[1]+":"+user[2]), header[1], header[2], len(body), body))
	if !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
		h.t.Errorf("the ESP32 gets %s", answer)
	}
}

func basic(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// php sends the request of a program for PHP's streams, of which older versions speak HTTP 1.0. If PHP is there, it runs the
// program as well.
func (h *host) php(program string) {
	h.t.Helper()
	url := h.find(`file_get_contents\("http://([^/"]+)(/[^"]*)"`, program)
	header := h.find(`"header" => "([^"]*)" \. base64_encode\("([^"]*)"\)`, program)
	headers, err := strconv.Unquote(`"` + header[1] + `"`)
	kit.Must(h.t, err)
	const body, want = "[7,99.5]", `{"args":[7,99.5]}`
	for _, version := range []string{"1.0", "1.1"} {
		answer := h.send(url[1], fmt.Sprintf("POST %s HTTP/%s\r\nHost: %s\r\nConnection: close\r\nContent-Length: %d\r\n%s%s\r\n\r\n%s", url[2], version, url[1], len(body),
			headers, basic(header[2]), body))
		if !strings.Contains(answer, " 200 OK\r\n") || !strings.HasSuffix(answer, "\r\n\r\n"+want+"\n") {
			h.t.Errorf("PHP with HTTP %s gets %s", version, answer)
		}
	}
	if _, err := exec.LookPath("php"); err == nil {
		file := kit.Write(h.t, h.dir, "order.php", "<?php\n$order = 7;\n$total = 99.5;\n"+program+"\necho json_encode($answer);\n")
		if got := h.foreground("php " + file); got != want {
			h.t.Errorf("PHP prints %s", got)
		}
	}
}

// send sends octets to an HTTP server and returns the answer.
func (h *host) send(address, octets string) string {
	h.t.Helper()
	conn, err := net.Dial("tcp", address)
	kit.Must(h.t, err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(kit.Patience))
	_, err = io.WriteString(conn, octets)
	kit.Must(h.t, err)
	answer, err := io.ReadAll(conn)
	kit.Must(h.t, err)
	return string(answer)
}
