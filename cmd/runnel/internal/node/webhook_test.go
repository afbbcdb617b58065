package node

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// A reload starts, replaces and ends webhooks. Their events wait meanwhile, and arrive in order.
func TestReloadWebhooks(t *testing.T) {
	posts := make(chan string, 1000)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var event struct{ Args []int }
		kit.Must(t, json.NewDecoder(r.Body).Decode(&event))
		if strings.HasPrefix(r.URL.Path, "/fail") {
			w.WriteHeader(http.StatusInternalServerError)
		}
		kit.Send(t, posts, fmt.Sprint(r.URL.Path, event.Args, r.Header.Get("Authorization")))
	}))
	t.Cleanup(web.Close)
	n := site(t, "x").start("")
	hook := func(path, more string) string {
		return fmt.Sprintf("[[webhook]]\nname = \"erp\"\ntopic = \"a.b\"\nrole = \"guest\"\nurl = \"%s%s\"\n%s", web.URL, path, more)
	}
	become := func(want, more string) {
		t.Helper()
		if got := strings.Join(n.become(more), ", "); got != want {
			t.Errorf("changes: %q, want %q", got, want)
		}
	}
	become("webhook erp started", hook("/1", ""))
	kit.Eventually(t, "the webhook subscribes", func() bool { return n.Status().Router.Realms[0].Subscriptions > 0 })
	c, err := join(t, n.socket("a"), client.Options{Realm: "realm1"})
	kit.Must(t, err)
	publish := func(i int) {
		t.Helper()
		done := make(chan error, 1)
		kit.Must(t, c.Publish(t.Context(), "a.b", client.PublishOptions{Done: func(_ wamp.ID, err error) { done <- err }}, client.Args(i)))
		kit.Must(t, kit.Receive(t, "the acknowledgement", done))
	}
	// expect waits for a post that is answered with 200, and for its confirmation.
	delivered := uint64(0)
	expect := func(want string) {
		t.Helper()
		got := "/fail"
		for strings.HasPrefix(got, "/fail") {
			got = kit.Receive(t, "post of "+want, posts)
		}
		if got != want {
			t.Fatalf("post %s, want %s", got, want)
		}
		delivered++
		kit.Eventually(t, "it is delivered", func() bool { return n.Webhooks()[0].Delivered >= delivered })
	}
	publish(1)
	expect("/1[1]")
	for i := 2; i < 12; i += 2 { // the event in flight at the end of the webhook is the first event of the next one
		become("webhook erp started again", hook(fmt.Sprintf("/fail%d", i), ""))
		publish(i)
		publish(i + 1)
		for want, got := fmt.Sprintf("/fail%d[%d]", i, i), ""; got != want; {
			got = kit.Receive(t, "post of "+want, posts)
		}
		delivered = 0
		become("webhook erp started again", hook(fmt.Sprintf("/%d", i), ""))
		expect(fmt.Sprintf("/%d[%d]", i, i))
		expect(fmt.Sprintf("/%d[%d]", i, i+1))
	}
	kit.Write(t, n.dir, "authorization", "Bearer a")
	file := "authorization = \"file:" + n.dir + "/authorization\"\n"
	delivered = 0
	become("webhook erp started again", hook("/x", file))
	publish(12)
	expect("/x[12]Bearer a")
	kit.Write(t, n.dir, "authorization", "Bearer b")
	delivered = 0
	become("webhook erp started again", hook("/x", file)) // a secret that has changed in its file
	publish(13)
	expect("/x[13]Bearer b")
	become("", hook("/x", file))

	kit.Must(t, os.Remove(n.dir+"/authorization"))
	n.write(hook("/y", file))
	if _, err := n.Reload(); err == nil || !strings.Contains(err.Error(), "authorization") {
		t.Errorf("a reload without the file of a secret: %v", err)
	}
	if hooks := n.Webhooks(); len(hooks) != 1 || hooks[0].Name != "erp" || hooks[0].Topic != "a.b" || hooks[0].URL != web.URL+"/..." || hooks[0].Problem != "" {
		t.Errorf("webhooks: %+v", hooks)
	}
	become("webhook erp ended", "")
	if hooks := n.Webhooks(); len(hooks) != 0 {
		t.Errorf("webhooks: %+v", hooks)
	}
	publish(14) // is kept
	delivered = 0
	become("webhook erp started", hook("/z", ""))
	expect("/z[14]")
}
