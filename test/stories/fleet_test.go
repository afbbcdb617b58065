package stories

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport"
)

// fleetCentre is a centre that "runnel init" has set up.
type fleetCentre struct {
	*process
	file, unix, tls, tcp, pin string
}

func startCentre(t *testing.T) *fleetCentre {
	t.Helper()
	dir := place(t)
	c := &fleetCentre{file: filepath.Join(dir, "runnel.toml"), unix: "unix://" + filepath.Join(dir, "runnel.sock")}
	made := runnel(t, "init", "centre", "-c", c.file, "--yes", "--listen", "tcp://127.0.0.1:0,tls://127.0.0.1:0")
	made.expect(t, 0, "--pin ", "")
	_, rest, _ := strings.Cut(made.stdout, "--pin ")
	c.pin, _, _ = strings.Cut(rest, " ")
	c.begin(t)
	return c
}

func (c *fleetCentre) begin(t *testing.T) {
	c.process = start(t, "run", "-c", c.file)
	c.tls = "tls://127.0.0.1:" + c.logs(`msg=listening url=tls://127\.0\.0\.1:(\d+)`)[1]
	c.tcp = "tcp://127.0.0.1:" + c.logs(`msg=listening url=tcp://127\.0\.0\.1:(\d+)`)[1]
	c.logs(`msg=listening url=unix://`)
}

func (c *fleetCentre) token(t *testing.T, args ...string) string {
	t.Helper()
	made := runnel(t, append([]string{"token", "new", "--role", "gateway", "--url", c.unix}, args...)...)
	made.expect(t, 0, "runnel-", "token ")
	return strings.TrimSpace(made.stdout)
}

// enrol enrols a gateway with "runnel init", and returns its configuration.
func (c *fleetCentre) enrol(t *testing.T, id, token string, more ...string) (result, string) {
	t.Helper()
	file := filepath.Join(place(t), "runnel.toml")
	return runnel(t, append([]string{"init", "gateway", "-c", file, "--yes", "--id", id, "--listen", "tcp://127.0.0.1:0",
		"--centre", c.tls, "--pin", c.pin, "--token", token}, more...)...), file
}

// join enrols a node as any WAMP client can: it joins with the token and calls one procedure.
func join(t *testing.T, url, token, id string) error {
	ctx, cancel := context.WithTimeout(t.Context(), kit.Patience)
	defer cancel()
	parts := strings.Split(token, "-")
	authid := "runnel-token-" + parts[1]
	c, err := client.Connect(ctx, client.Options{
		Dial: func(ctx context.Context) (client.Conn, error) {
			return transport.Dial(ctx, url, transport.DialOptions{Serializer: wamp.CBOR})
		},
		Realm: "realm1", Authid: authid, Auth: []client.Auth{client.SCRAM(authid, parts[2])}, Reconnect: client.Reconnect{Disabled: true},
	})
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	if _, err := c.Call(ctx, "runnel.status", client.CallOptions{}, client.Payload{}); !errors.Is(err, wamp.NotAuthorized) {
		return fmt.Errorf("a token lets its holder call runnel.status: %v", err)
	}
	_, err = c.Call(ctx, "runnel.fleet.enrol", client.CallOptions{}, client.Kwargs(map[string]any{"node": id, "key": hex.EncodeToString(public), "board": "simulated", "version": "1"}))
	return err
}

// 200 gateways enrol with one token, some of them with the real commands. The 201st is rejected, and keeps no credentials
// with which it could join.
func TestFleetOf200(t *testing.T) {
	c := startCentre(t)
	token := c.token(t, "--uses", "200", "--expires", "24h")
	got, file := c.enrol(t, "gw-000", token)
	got.expect(t, 0, "enrolled at the centre as gw-000, with the role gateway", "")
	gateway := start(t, "run", "-c", file)
	gateway.logs("link is up")
	runnel(t, "doctor", "-c", file).expect(t, 0, "healthy", "")

	var work sync.WaitGroup
	ids := make(chan string)
	for range 8 {
		work.Go(func() {
			for id := range ids {
				if err := join(t, c.tcp, token, id); err != nil {
					t.Errorf("%s: %v", id, err)
				}
			}
		})
	}
	for i := 1; i < 200; i++ {
		ids <- fmt.Sprintf("gw-%03d", i)
	}
	close(ids)
	work.Wait()
	if n := strings.Count(runnel(t, "fleet", "ls", "--json", "--url", c.unix).stdout, "\n"); n != 200 {
		t.Fatalf("%d nodes", n)
	}
	runnel(t, "token", "ls", "--url", c.unix).expect(t, 0, "200 of 200", "")
	got, late := c.enrol(t, "gw-200", token)
	got.expect(t, 1, "", "is used up (200 of 200 uses")
	if _, err := os.Stat(late); err == nil {
		t.Error("a gateway that was refused has a configuration")
	}
	runnel(t, "fleet", "show", "gw-200", "--url", c.unix).expect(t, 1, "", "no node")
	runnel(t, "fleet", "show", "gw-000", "--url", c.unix).expect(t, 0, "up", "")
	c.logs(`"?node enrolled"?.*node=gw-000.*uses_left=199`)
	c.logs(`"?enrolment rejected"?.*used up`)

	// The file holds no secret.
	kept, err := os.ReadFile(filepath.Join(filepath.Dir(c.file), "data", "fleet.json"))
	if err != nil || bytes.Contains(kept, []byte(strings.Split(token, "-")[2])) {
		t.Errorf("the file of the fleet: %v, or it holds the token", err)
	}

	// The fleet survives a restart, and a reload of the configuration.
	c.Signal(syscall.SIGTERM)
	c.wait()
	c.begin(t)
	runnel(t, "reload", "--url", c.unix).expect(t, 0, "", "")
	if n := strings.Count(runnel(t, "fleet", "ls", "--json", "--url", c.unix).stdout, "\n"); n != 200 {
		t.Errorf("%d nodes after a restart", n)
	}
	key := filepath.Join(filepath.Dir(file), "gateway.key")
	runnel(t, "pub", "com.example.x", "--ack", "--url", c.tcp, "--authid", "gw-000", "--key", key).expect(t, 0, "", "")
	runnel(t, "fleet", "forget", "gw-000", "--url", c.unix).expect(t, 0, "forgotten", "")
	runnel(t, "pub", "com.example.x", "--ack", "--url", c.tcp, "--authid", "gw-000", "--key", key).expect(t, 1, "", "authentication_failed")
}

// Expired, revoked and invalid tokens are rejected, and no node can take over the id of another.
func TestTokensThatDoNotCount(t *testing.T) {
	t.Parallel()
	c := startCentre(t)
	short := c.token(t, "--expires", "1s")
	kit.Eventually(t, "the token to expire", func() bool {
		return strings.Contains(runnel(t, "token", "ls", "--url", c.unix).stdout, "expired")
	})
	got, _ := c.enrol(t, "gw-1", short)
	got.expect(t, 1, "", "is expired")

	token := c.token(t, "--uses", "5")
	first, file := c.enrol(t, "gw-1", token)
	first.expect(t, 0, "enrolled", "")
	got, _ = c.enrol(t, "gw-1", token) // with a key of its own
	got.expect(t, 1, "", `a node "gw-1" has enrolled with another key`)
	again := runnel(t, "init", "gateway", "-c", file, "--yes", "--id", "gw-1", "--listen", "tcp://127.0.0.1:0", "--centre", c.tls, "--pin", c.pin, "--token", token)
	again.expect(t, 0, "enrolled", "") // with the same key, which takes no further use
	runnel(t, "token", "ls", "--url", c.unix).expect(t, 0, "1 of 5", "")

	runnel(t, "token", "revoke", token, "--url", c.unix).expect(t, 0, "revoked", "")
	got, _ = c.enrol(t, "gw-2", token)
	got.expect(t, 1, "", "does not know the token")
	got, _ = c.enrol(t, "gw-2", strings.Replace(short, short[len(short)-4:], "aaaa", 1))
	got.expect(t, 1, "", "does not know the token")
	got, _ = c.enrol(t, "gw-2", "nonsense")
	got.expect(t, 2, "", "this is not a token")
	got, _ = c.enrol(t, "gw-2", c.token(t), "--pin", strings.Repeat("00", 32))
	got.expect(t, 1, "", "does not match the pin")

	for _, args := range []string{"--role nothing", "--role gateway --uses 0", "--role gateway --expires 0s", "--uses 3", "--role gateway --expires 100000h"} {
		if got := runnel(t, append([]string{"token", "new", "--url", c.unix}, strings.Fields(args)...)...); got.status == 0 {
			t.Errorf("token new %s: %s", args, got.stdout)
		}
	}
	runnel(t, "token", "new", "--role", "gateway", "--url", c.tcp).expect(t, 1, "", "not_authorized")
}

// The messages of an enrolment cannot be replayed.
func TestEnrolmentIsNotReplayed(t *testing.T) {
	c := startCentre(t)
	token := c.token(t, "--uses", "5")
	address := strings.TrimPrefix(c.tcp, "tcp://")
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	var sent bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		near, err := proxy.Accept()
		if err != nil {
			return
		}
		defer near.Close()
		far, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		defer far.Close()
		go io.Copy(near, far)
		io.Copy(io.MultiWriter(far, &sent), near)
	}()
	if err := join(t, "tcp://"+proxy.Addr().String(), token, "gw-1"); err != nil {
		t.Fatal(err)
	}
	<-done
	if bytes.Contains(sent.Bytes(), []byte(strings.Split(token, "-")[2])) {
		t.Error("the token has travelled in the clear")
	}
	runnel(t, "fleet", "forget", "gw-1", "--url", c.unix).expect(t, 0, "", "")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.Write(sent.Bytes())
	answer, _ := io.ReadAll(conn)
	if !bytes.Contains(answer, []byte("authentication_failed")) {
		t.Errorf("the answer to a replay: %q", answer)
	}
	runnel(t, "fleet", "ls", "--url", c.unix).expect(t, 0, "no nodes", "")
}
