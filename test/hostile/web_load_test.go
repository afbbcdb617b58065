package hostile

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/test/stage"
)

// flow writes a text again and again until the router closes the connection, at most most bytes. It reports whether the router
// has closed it.
func flow(conn net.Conn, text string, most int) bool {
	for sent := 0; sent < most; sent += len(text) {
		if _, err := io.WriteString(conn, text); err != nil {
			return true
		}
	}
	return false
}

// The router rejects heads and bodies that are too long or endless. It also bounds the content of a body of the
// permitted length.
func TestLongRequests(t *testing.T) {
	t.Parallel()
	address, h := webAddress(), listen(t, "web.long.")
	publish := func(body string, headers ...string) string {
		return request("POST", "/publish/web.first", address, body, headers...)
	}
	long := strings.Repeat("a", 100_000)
	for name, octets := range map[string]string{
		"a long line":       publish("", "X: "+long),
		"a long name":       publish("", long+": a"),
		"many lines":        publish("", strings.TrimSuffix(strings.Repeat("A: b\r\n", 10_000), "\r\n")),
		"a long path":       request("GET", "/"+long, address, ""),
		"a long topic":      request("POST", "/publish/"+long, address, ""),
		"a long query":      request("POST", "/publish/web.first?"+strings.Repeat("exclude=1&", 10_000), address, ""),
		"a long host":       request("GET", "/", long, ""),
		"a long password":   publish("", "Authorization: Bearer pump:"+long),
		"a long method":     strings.Repeat("A", 100_000),
		"a long resumption": request("GET", "/events/web.long.a?durable=a", address, "", "Last-Event-ID: "+long),
		"a long preflight":  request("OPTIONS", "/publish/web.first", address, "", "Access-Control-Request-Headers: "+long),
	} {
		status(t, name, exchange(t, address, octets), "431", "400", "414", "403", "")
	}
	for name, head := range map[string]string{
		"an endless head": "GET / HTTP/1.1\r\n", "an endless body": "POST /publish/web.first HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
		"an endless trailer": "POST /publish/web.first HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
		"an announced body":  "POST /publish/web.first HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000000\r\n\r\n",
		"a long-poll body":   "POST /lp/open HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
		"a body nobody asks": "POST /app/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		conn := visit(t, address)
		io.WriteString(conn, head)
		text := strings.Repeat("a: b\r\n", 100)
		if strings.Contains(name, "body") {
			text = strings.Repeat("400\r\n"+long[:1024]+"\r\n", 10)
		}
		if !flow(conn, text, 100<<20) {
			t.Errorf("%s has no end", name)
		}
		conn.Close()
	}
	many := func(n int, what func(int) string) string {
		var list []string
		for i := range n {
			list = append(list, what(i))
		}
		return strings.Join(list, ",")
	}
	for name, body := range map[string]string{
		"depth":               strings.Repeat("[", 60_000),
		"balanced depth":      strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000),
		"depth of objects":    strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000),
		"digits":              "[" + strings.Repeat("9", 60_000) + "]",
		"an exponent":         "[1e999999999]",
		"keys":                "{" + many(5000, func(i int) string { return fmt.Sprintf(`"k%d":1`, i) }) + "}",
		"the same key":        "{" + many(8000, func(int) string { return `"a":1` }) + "}",
		"the same arguments":  "{" + many(5000, func(int) string { return `"args":[]` }) + "}",
		"options":             `{"args":[],"options":{` + many(3000, func(i int) string { return fmt.Sprintf(`"o%d":{}`, i) }) + "}}",
		"an option of lists":  `{"args":[],"options":{"exclude":[` + strings.Repeat("[],", 10_000) + "[]]}}",
		"numbers":             "[" + strings.Repeat("-1e-1,", 9_000) + "0]",
		"escapes":             `["` + strings.Repeat(`\u0000`, 9_000) + `"]`,
		"a lone surrogate":    `["\ud800"]`,
		"no UTF-8":            "[\"\xff\xfe\"]",
		"a byte order mark":   "\xef\xbb\xbf[]",
		"a NUL":               "[1]\x00",
		"two texts":           "[1][2]",
		"an open string":      `["` + strings.Repeat("a", 60_000),
		"a binary":            `["\u0000` + strings.Repeat("A", 50_000) + `"]`,
		"a comment":           "[/* */1]",
		"a zipped body":       "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
		"white space":         strings.Repeat(" \n", 30_000),
		"white space, inside": "[" + strings.Repeat(" ", 60_000) + "1]",
	} {
		status(t, name, exchange(t, address, publish(body)), "200", "400")
	}
	conn := visit(t, address) // and one connection may carry many requests at once
	const n = 200
	go io.WriteString(conn, strings.Repeat("POST /publish/web.first HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n[]", n))
	for in, i := bufio.NewReader(conn), 0; i < n; i++ {
		if code := next(t, in); code != 200 {
			t.Fatalf("request %d of one connection: %d", i, code)
		}
	}
	h.only(address)
	unmoved(t, webRealm)
	modest(t)
}

// Connections that send their requests slowly, or not at all, end after a while, and others use their slots. Meanwhile
// the other listeners serve.
func TestSlowRequests(t *testing.T) {
	t.Parallel()
	address, h := fewAddress(), listen(t, "web.slow.")
	ends := make(chan error, 40)
	var work sync.WaitGroup
	for i := range 40 {
		conn := visit(t, address)
		work.Go(func() {
			_, err := io.Copy(io.Discard, conn)
			ends <- err
		})
		start := []string{"G", "GET / HTTP/1.1\r\nHost: localhost\r\nX: ", "POST /publish/web.first HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n[", "POST /lp/open HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n", ""}[i%5]
		io.WriteString(conn, start)
		work.Go(func() {
			for start != "" { // single bytes do not extend the time limit
				time.Sleep(50 * time.Millisecond)
				if _, err := io.WriteString(conn, " "); err != nil {
					return
				}
			}
		})
	}
	h.publishes(webAddress(), "web.first")
	for range 40 {
		if err := kit.Receive(t, "the end of a slow connection", ends); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("a slow connection does not end")
		}
	}
	work.Wait()
	hasPlace(t, address)
	h.only(address)
	unmoved(t, webRealm)
}

// Thousands of connections use up the slots of one listener only, and free them when they end.
func TestManyConnections(t *testing.T) {
	h := listen(t, "web.many.")
	var limit syscall.Rlimit
	kit.Must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	var all []net.Conn
	for range min(3000, limit.Cur/2) {
		conn, err := net.Dial("tcp", fewAddress())
		kit.Must(t, err)
		all = append(all, conn)
	}
	h.publishes(webAddress(), "web.first")
	unmoved(t, webRealm)
	modest(t)
	for _, conn := range all {
		conn.Close()
	}
	hasPlace(t, fewAddress())
}

// hasPlace waits until a listener has a place for a client.
func hasPlace(t *testing.T, address string) {
	t.Helper()
	kit.Eventually(t, "a place is free", func() bool {
		return strings.HasPrefix(exchange(t, address, request("POST", "/publish/web.first", address, "")), "HTTP/1.1 200 ")
	})
}

// stream opens a stream of events and waits for the first line of the answer. Streams that were closed may still be counted.
func stream(t *testing.T, query string, headers ...string) (conn net.Conn, in *bufio.Reader) {
	t.Helper()
	line := ""
	kit.Eventually(t, "a stream of "+query, func() bool {
		conn = visit(t, webAddress())
		shorten(conn)
		fmt.Fprintf(conn, "GET /events/%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", query, lines(headers))
		in = bufio.NewReaderSize(conn, 16)
		line, _ = in.ReadString('\n')
		return strings.HasPrefix(line, "HTTP/1.1 200 ")
	}, func() string { return line })
	return conn, in
}

// Clients that do not read their events are bounded in number and memory. The publisher and the other streams continue.
func TestStreamsThatDoNotRead(t *testing.T) {
	var deaf []net.Conn
	for range 4 {
		conn, in := stream(t, "web.deaf.?match=prefix")
		for line := ""; line != "\r\n"; line, _ = in.ReadString('\n') {
		}
		deaf = append(deaf, conn)
	}
	conn, reads := stream(t, "web.deaf.end")
	w := stage.Way{Network: "unix", Serializer: wamp.JSON}
	pub := house.Scene(t, w, webRealm).Join(stage.Simple)
	pad := strings.Repeat("x", 100_000)
	const n = 50 // 5 MB for each stream
	for i := range n {
		pub.Say(fmt.Sprintf(`[16,%d,{"acknowledge":true},"web.deaf.a",[%q]]`, i+1, pad))
		pub.Hear(fmt.Sprintf(`[17,%d,"*"]`, i+1))
	}
	pub.Say(fmt.Sprintf(`[16,%d,{},"web.deaf.end",["end"]]`, n+1))
	conn.SetDeadline(time.Now().Add(kit.Patience))
	for line := ""; !strings.HasPrefix(line, `data: {"topic":"web.deaf.end"`); {
		var err error
		if line, err = reads.ReadString('\n'); err != nil {
			t.Fatalf("the stream that is read: %v", err)
		}
	}
	unmoved(t, webRealm)
	modest(t)
	for _, conn := range deaf {
		conn.Close()
	}
	all := 0 // streams of one address
	for ; all < 1000; all++ {
		conn := visit(t, webAddress())
		io.WriteString(conn, "GET /events/web.deaf.a HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if line, _ := bufio.NewReader(conn).ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 200 ") {
			status(t, "one more stream", line, "429", "503")
			break
		}
	}
	if all > 100 {
		t.Errorf("one address has %d streams", all)
	}
	listen(t, "web.streams.").only(webAddress())
}

// A client may resume its stream again and again, from any position. It loses no event, and does not affect others.
func TestEndlessResumes(t *testing.T) {
	address, h := webAddress(), listen(t, "web.resumed.")
	const query = "web.resume.?match=prefix&durable=resume"
	conn, _ := stream(t, query)
	for i := range 3 {
		status(t, "publish", exchange(t, address, request("POST", "/publish/web.resume.a", address, fmt.Sprintf("[%d]", i))), "200")
	}
	for _, id := range []string{"0-0", "9223372036854775807-9223372036854775807", "0-9223372036854775807"} {
		for range 10 {
			conn.Close()
			conn, _ = stream(t, query, fmt.Sprintf("Last-Event-ID: %s", id))
		}
	}
	for _, id := range []string{"x", "-", "1", "1-", "-1-1", "1-1-1", "18446744073709551616-1", "1 -1", "+1-1", "0x1-1", "1-1\x00"} {
		status(t, id, exchange(t, address, request("GET", "/events/"+query, address, "", "Last-Event-ID: "+id)), "400")
	}
	conn.Close()
	_, in := stream(t, query)
	for i := range 3 {
		want := fmt.Sprintf(`"args":[%d]}`, i)
		for line := ""; !strings.Contains(line, want); {
			var err error
			if line, err = in.ReadString('\n'); err != nil {
				t.Fatalf("event %d: %v", i, err)
			}
		}
	}
	h.only(address)
	unmoved(t, webRealm)
}

// Clients that guess passwords do not block others, and cannot find out which names exist.
func TestWebGuesses(t *testing.T) {
	address, h := webAddress(), listen(t, "web.guessed.")
	var mu sync.Mutex
	answers := map[string]int{}
	var work sync.WaitGroup
	for i := range 60 {
		work.Go(func() {
			who := []string{"pump", "eve", "bystander"}[i%3]
			answer := exchangeOnce(t, address, request("POST", "/publish/web.guessed.a", address, "[]", fmt.Sprintf("Authorization: Bearer %s:guess%d", who, i)))
			head, body, _ := strings.Cut(answer, "\r\n\r\n")
			mu.Lock()
			defer mu.Unlock()
			answers[head[:min(len(head), 12)]+body]++
		})
	}
	h.publishes(address, "web.first") // anonymous
	other := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
	conn, err := other.Dial("tcp", address)
	kit.Must(t, err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(kit.Patience))
	io.WriteString(conn, request("POST", "/publish/web.pump.a", address, "[]", "Authorization: Bearer pump:secret"))
	answer, err := io.ReadAll(conn)
	kit.Must(t, err)
	status(t, "the right password from another address", string(answer), "200")
	work.Wait()
	if len(answers) > 2 {
		t.Errorf("answers: %v", answers) // 401 for all names, and 429
	}
	for text := range answers {
		status(t, "a guess", text[:min(len(text), 12)]+" ", "401", "429")
	}
	h.only(address)
	unmoved(t, webRealm)
}

// signed is a request of a client that signs as for Crossbar.io.
func signed(path, key, secret, body string, at time.Time, nonce int) string {
	stamp := at.UTC().Format("2006-01-02T15:04:05.000Z")
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%s%s1%d%s", key, stamp, nonce, body)
	q := url.Values{"key": {key}, "timestamp": {stamp}, "seq": {"1"}, "nonce": {fmt.Sprint(nonce)}, "signature": {base64.URLEncoding.EncodeToString(mac.Sum(nil))}}
	return request("POST", path+"?"+q.Encode(), webAddress(), body)
}

// A signed request takes effect once, while it is fresh and unchanged.
func TestSignedRequests(t *testing.T) {
	address, h := webAddress(), listen(t, "web.pump.")
	const event = `{"topic":"web.pump.signed"}`
	now := time.Now()
	for name, octets := range map[string]string{
		"old":             signed("/publish", "pump", "secret", event, now.Add(-time.Hour), 1),
		"of tomorrow":     signed("/publish", "pump", "secret", event, now.Add(24*time.Hour), 2),
		"guessed":         signed("/publish", "pump", "guess", event, now, 3),
		"without secret":  signed("/publish", "pump", "", event, now, 4),
		"of a stranger":   signed("/publish", "eve", "", event, now, 5),
		"of an SSH key":   signed("/publish", "", "", event, now, 6),
		"another topic":   strings.Replace(signed("/publish", "pump", "secret", event, now, 7), "pump.signed", "pump.forged", 1),
		"a topic in path": signed("/publish/web.pump.a", "pump", "secret", "[]", now, 8),
		"another nonce":   strings.Replace(signed("/publish", "pump", "secret", event, now, 9), "nonce=9", "nonce=8", 1),
		"two nonces":      strings.Replace(signed("/publish", "pump", "secret", event, now, 10), "nonce=10", "nonce=10&nonce=11", 1),
		"no time":         strings.Replace(signed("/publish", "pump", "secret", event, now, 11), "timestamp=", "timestamp=x", 1),
	} {
		status(t, name, exchange(t, address, octets), "400", "401")
	}
	once := signed("/publish", "pump", "secret", event, now, 12)
	var work sync.WaitGroup
	accepted := make(chan string, 4)
	for range cap(accepted) { // at the same time
		work.Go(func() { accepted <- exchangeOnce(t, address, once) })
	}
	work.Wait()
	good := 0
	for range cap(accepted) {
		if answer := <-accepted; strings.HasPrefix(answer, "HTTP/1.1 200 ") {
			good++
		} else {
			status(t, "replayed", answer, "401", "429")
		}
	}
	if good != 1 {
		t.Errorf("one signed request is accepted %d times", good)
	}
	status(t, "replayed later", exchange(t, address, once), "401")
	h.peer.Hear(`[36,"*","*",{"topic":"web.pump.signed"}]`)
	h.publishes(address, "web.pump.last")
	h.peer.Hear(`[36,"*","*",{"topic":"web.pump.last"}]`)
	unmoved(t, webRealm)
}

// Upgrades other than WAMP over WebSocket have no effect. An unused upgrade occupies no slot.
func TestUpgrades(t *testing.T) {
	t.Parallel()
	address, h := webAddress(), listen(t, "web.upgraded.")
	const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
	for _, c := range []struct{ method, path, headers string }{
		{"GET", "/", "Upgrade: h2c|HTTP2-Settings: AAMAAABkAAQAAP__"}, {"GET", "/ws", "Upgrade: h2c"}, {"GET", "/ws", ""}, {"POST", "/ws", "Upgrade: websocket|Sec-WebSocket-Version: 13|" + key},
		{"GET", "/ws", "Upgrade: websocket|Sec-WebSocket-Version: 8|" + key}, {"GET", "/ws", "Upgrade: websocket|Sec-WebSocket-Version: 13"},
		{"GET", "/ws", "Upgrade: websocket|Sec-WebSocket-Version: 13|Sec-WebSocket-Key: AAAA"}, {"GET", "/ws", "Upgrade: websocket|Sec-WebSocket-Version: 13|Sec-WebSocket-Protocol: mqtt|" + key},
		{"GET", "/events/web..a", "Upgrade: websocket|Sec-WebSocket-Version: 13|" + key}, {"CONNECT", "/ws", "Upgrade: websocket|" + key},
		{"GET", "/lp/open", "Upgrade: websocket"}, {"GET", "/metrics", "Upgrade: websocket"}, {"GET", "/debug/pprof/", ""}, {"GET", "/../ws", "Upgrade: TLS/1.2"},
	} {
		octets := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade, close\r\n%s\r\n", c.method, c.path, lines(strings.Split(c.headers, "|")))
		octets = strings.Replace(octets, "close\r\n\r\n\r\n", "close\r\n\r\n", 1)
		if answer := exchange(t, address, octets); strings.HasPrefix(answer, "HTTP/1.1 101") {
			t.Errorf("%s %s %s: %s", c.method, c.path, c.headers, answer)
		}
	}
	const upgrade = "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" + key + "\r\nSec-WebSocket-Protocol: wamp.2.json\r\n\r\n"
	for i := range 200 {
		conn := visit(t, address)
		io.WriteString(conn, upgrade)
		if i%2 == 0 { // another request, or garbage, where frames are expected
			io.WriteString(conn, request("POST", "/publish/web.upgraded.a", "localhost", "[]"))
			io.Copy(io.Discard, conn)
		}
		conn.Close()
	}
	h.only(address)
	unmoved(t, webRealm)
	modest(t)
}

// A client without rights gets no information about the router, and cannot change it.
func TestWithoutRights(t *testing.T) {
	t.Parallel()
	address, h := webAddress(), listen(t, "web.rights.")
	for _, who := range []string{"", "Authorization: Bearer pump:secret"} {
		var headers []string
		if who != "" {
			headers = []string{who}
		}
		for _, uri := range []string{
			"runnel.status", "runnel.reload", "runnel.fleet.list", "runnel.queue.list", "runnel.durable.drop", "wamp.session.list", "wamp.session.kill_all", "wamp.registration.list",
			"wamp.subscription.list", "bystander.echo",
		} {
			status(t, "call "+uri, exchange(t, address, request("POST", "/call/"+uri, address, "[]", headers...)), "403", "404")
		}
		for _, uri := range []string{"wamp.session.on_join", "runnel.serial.raw.a", "bystander.topic"} {
			status(t, "events of "+uri, exchange(t, address, request("GET", "/events/"+uri, address, "", headers...)), "403")
			status(t, "publish "+uri, exchange(t, address, request("POST", "/publish/"+uri, address, "[]", headers...)), "403", "400")
		}
	}
	_, body, _ := strings.Cut(exchange(t, address, request("GET", "/console.json", address, "")), "\r\n\r\n")
	var told map[string]any
	if err := json.Unmarshal([]byte(body), &told); err != nil || len(told) != 2 || told["realm"] != webRealm || told["path"] != "/ws" {
		t.Errorf("the console tells strangers %s, %v", body, err)
	}
	metrics := metricsAddress(t)
	for _, path := range []string{"/", "/debug/pprof/", "/debug/vars", "/metrics/", "/metrics/../secret", "//metrics"} {
		status(t, "metrics "+path, exchange(t, metrics, request("GET", path, metrics, "")), "404", "400")
	}
	h.only(address)
	unmoved(t, webRealm)
}

// Connections to the metrics that send slowly, or not at all, do not block Prometheus.
func TestMetricsGoOn(t *testing.T) {
	address := metricsAddress(t)
	for i := range 100 {
		conn := visit(t, address)
		io.WriteString(conn, []string{"", "GET", "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"}[i%3])
	}
	answer := exchange(t, address, request("GET", "/metrics", address, ""))
	if !strings.HasPrefix(answer, "HTTP/1.1 200 ") || !strings.Contains(answer, "runnel_info{") {
		t.Errorf("metrics: %.300s", answer)
	}
	status(t, "a long head", exchange(t, address, request("GET", "/metrics", address, "", "X: "+strings.Repeat("a", 100_000))), "431", "400", "")
	unmoved(t, webRealm)
}
