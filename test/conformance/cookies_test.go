package conformance

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"runnel/test/stage"
)

// cookieHello returns a HELLO with the methods, and with an authid unless it is empty.
func cookieHello(methods, authid string) string {
	if authid != "" {
		authid = `"authid":"` + authid + `",`
	}
	return `[1,"stage.ws_json",{` + authid + `"authmethods":[` + methods + `],"roles":{"publisher":{}}}]`
}

// visit upgrades a connection, with a cookie unless it is nil. It returns the cookie that the router sets, or nil.
func visit(t *testing.T, more ...string) (*web, *http.Cookie) {
	t.Helper()
	w := browse(t, stage.Way{Network: "ws", Address: strings.TrimPrefix(house.More[3], "tcp://")})
	answer := w.request(upgradeTo("wamp.2.json", more...)...)
	if answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v", answer.Status)
	}
	for _, c := range answer.Cookies() {
		return w, c
	}
	return w, nil
}

func (w *web) says(message, want string) {
	w.Helper()
	w.put(webFrame(true, text, []byte(message))...)
	if got := w.message(text); !bytes.Contains(got, []byte(want)) {
		w.Fatalf("heard %s, expected %s", got, want)
	}
}

// login authenticates a browser without a cookie as bob, and returns the cookie that it gets.
func login(t *testing.T) (*web, *http.Cookie) {
	t.Helper()
	w, cookie := visit(t)
	w.says(cookieHello(`"ticket"`, "bob"), `[4,"ticket",{}]`)
	w.says(`[5,"bob",{}]`, `"authid":"bob"`)
	return w, cookie
}

// A client that has authenticated is recognized by its cookie when it reconnects.
func TestCookies(t *testing.T) {
	w, cookie := visit(t)
	if cookie == nil {
		t.Fatal("the router gives no cookie")
	}
	if cookie.Name != "stage" || len(cookie.Value) < 22 || !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.MaxAge != int(time.Hour/time.Second) || cookie.Path != "/" {
		t.Errorf("the cookie is %v", cookie)
	}
	mine := "Cookie: other=1; stage=" + cookie.Value
	w.says(cookieHello(`"ticket"`, "bob"), `[4,"ticket",{}]`)

	// The cookie has no effect before the client has authenticated.
	early, fresh := visit(t, mine)
	if fresh == nil || fresh.Value == cookie.Value {
		t.Errorf("a cookie without an authenticated client is answered with %v", fresh)
	}
	early.says(cookieHello(`"cookie"`, ""), `"wamp.error.no_matching_auth_method"`)

	w.says(`[5,"bob",{}]`, `"authmethod":"ticket"`)
	for name, hello := range map[string]string{
		"named":              cookieHello(`"cookie"`, ""),
		"named with others":  cookieHello(`"ticket","cookie"`, "bob"),
		"no method is named": strings.Replace(cookieHello("", ""), `"authmethods":[],`, "", 1),
	} {
		t.Run(name, func(t *testing.T) {
			w, again := visit(t, mine)
			if again != nil {
				t.Errorf("the client gets another cookie: %v", again)
			}
			w.put(webFrame(true, text, []byte(hello))...)
			got := w.message(text)
			for _, want := range []string{`[2,`, `"authid":"bob"`, `"authrole":"staff"`, `"authmethod":"cookie"`} {
				if !bytes.Contains(got, []byte(want)) {
					t.Errorf("heard %s, expected %s", got, want)
				}
			}
		})
	}
	t.Run("another authid", func(t *testing.T) {
		w, _ := visit(t, mine)
		w.says(cookieHello(`"cookie"`, "ann"), `"wamp.error.no_matching_auth_method"`)
	})
	t.Run("another method", func(t *testing.T) {
		w, _ := visit(t, mine)
		w.says(cookieHello(`"anonymous"`, ""), `"authmethod":"anonymous"`)
	})
	t.Run("another realm", func(t *testing.T) {
		w, _ := visit(t, mine)
		w.says(strings.Replace(cookieHello(`"cookie"`, ""), "stage.ws_json", "stage.tcp_json", 1), `"wamp.error.no_matching_auth_method"`)
	})
	t.Run("another user", func(t *testing.T) { // of the same browser: the cookie is hers now
		w, _ := visit(t, mine)
		w.says(cookieHello(`"ticket"`, "ann"), `[4,"ticket",{}]`)
		w.says(`[5,"ann",{}]`, `"authid":"ann"`)
		w, _ = visit(t, mine)
		w.says(cookieHello(`"cookie"`, ""), `"authid":"ann"`)
		w, _ = visit(t, mine)
		w.says(cookieHello(`"cookie","ticket"`, "bob"), `[4,"ticket",{}]`)
		w.says(`[5,"bob",{}]`, `"authid":"bob"`)
	})
	t.Run("GOODBYE without logout", func(t *testing.T) {
		w, _ := visit(t, mine)
		w.says(cookieHello(`"cookie"`, ""), `"authid":"bob"`)
		w.says(`[6,{},"wamp.close.close_realm"]`, `[6,`)
		w, _ = visit(t, mine)
		w.says(cookieHello(`"cookie"`, ""), `"authid":"bob"`)
	})
	t.Run("logout", func(t *testing.T) {
		w, cookie := login(t)
		w.says(`[6,{},"wamp.close.logout"]`, `[6,`)
		w, _ = visit(t, "Cookie: stage="+cookie.Value)
		w.says(cookieHello(`"cookie"`, ""), `"wamp.error.no_matching_auth_method"`)
		w, cookie = login(t)
		w.Close()
		w, _ = visit(t, "Cookie: stage="+cookie.Value) // in a session that was authenticated by the cookie
		w.says(cookieHello(`"cookie"`, ""), `"authid":"bob"`)
		w.says(`[6,{},"wamp.close.logout"]`, `[6,`)
		w, _ = visit(t, "Cookie: stage="+cookie.Value)
		w.says(cookieHello(`"cookie"`, ""), `"wamp.error.no_matching_auth_method"`)
	})
	for _, kill := range []string{`"wamp.session.kill_by_authid",["bob"]`, `"wamp.session.kill_by_authrole",["staff"]`, `"wamp.session.kill_all"`} {
		t.Run(kill, func(t *testing.T) {
			gone, left := login(t) // a cookie is revoked even if its client is not connected
			gone.Close()
			w, here := login(t)
			killer, _ := visit(t)
			killer.says(strings.Replace(cookieHello(`"anonymous"`, ""), "publisher", "caller", 1), `"authmethod":"anonymous"`)
			killer.says(`[48,1,{},`+kill+`]`, `[50,1,`)
			w.message(text) // GOODBYE
			for _, cookie := range []*http.Cookie{left, here} {
				w, _ := visit(t, "Cookie: stage="+cookie.Value)
				w.says(cookieHello(`"cookie"`, ""), `"wamp.error.no_matching_auth_method"`)
			}
		})
	}
	_, cookie = login(t)
	mine = "Cookie: stage=" + cookie.Value
	t.Run("a wrong ticket", func(t *testing.T) {
		w, cookie := visit(t)
		w.says(cookieHello(`"ticket"`, "bob"), `[4,"ticket",{}]`)
		w.says(`[5,"wrong",{}]`, `[3,`)
		w, _ = visit(t, "Cookie: stage="+cookie.Value)
		w.says(cookieHello(`"cookie"`, ""), `"wamp.error.no_matching_auth_method"`)
	})
	t.Run("a guess", func(t *testing.T) {
		w, fresh := visit(t, "Cookie: stage=AAAAAAAAAAAAAAAAAAAAAAAAAA")
		if fresh == nil {
			t.Error("it is taken")
		}
		w.says(cookieHello(`"cookie"`, ""), `"wamp.error.no_matching_auth_method"`)
	})
	t.Run("no cookies on other listeners", func(t *testing.T) {
		w := browse(t, stage.Way{Network: "ws"})
		if answer := w.request(upgradeTo("wamp.2.json")...); len(answer.Cookies()) > 0 {
			t.Errorf("%v", answer.Header)
		}
	})
}
