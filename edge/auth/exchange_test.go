package auth

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// keysOf holds the private keys of the principals in cast.
var keysOf = map[string]byte{"kim": 1, "all": 1}

// right returns the answer of a client with the password "pencil", or with the private key of the authid.
func right(t testing.TB, authid string, e Exchange, hello map[string]any) (string, map[string]any) {
	t.Helper()
	extra := e.Challenge()
	switch e.Method() {
	case "ticket":
		return clientAnswer(t, client.Ticket("pencil"), e), nil
	case "wampcra":
		return clientAnswer(t, client.CRA("pencil"), e), nil
	case "cryptosign":
		return clientAnswer(t, client.Cryptosign(seeded(keysOf[authid])), e), nil
	}
	return scramAnswer(t, authid, "pencil", extra, hello)
}

func clientAnswer(t testing.TB, a client.Auth, e Exchange) string {
	t.Helper()
	extra, err := codec.NewDict(wamp.JSON, e.Challenge())
	if err != nil {
		t.Fatal(err)
	}
	signature, err := a.Answer(client.Challenge{Method: e.Method(), Extra: extra})
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

// scramAnswer is the client's part of WAMP-SCRAM, written from the specification's pseudocode.
func scramAnswer(t testing.TB, authid, password string, challenge, hello map[string]any) (string, map[string]any) {
	t.Helper()
	memory, _ := challenge["memory"].(int)
	salt, err := base64.StdEncoding.DecodeString(challenge["salt"].(string))
	if err != nil {
		t.Fatal(err)
	}
	s := SCRAM{KDF: challenge["kdf"].(string), Salt: salt, Iterations: challenge["iterations"].(int), Memory: memory}
	salted, err := s.saltedPassword(password)
	if err != nil {
		t.Fatal(err)
	}
	extra := map[string]any{"nonce": challenge["nonce"], "channel_binding": nil, "cbind_data": nil}
	gs2 := "n,,"
	if kind, ok := hello["channel_binding"].(string); ok {
		extra["channel_binding"], extra["cbind_data"] = kind, base64.StdEncoding.EncodeToString(bound)
		gs2 = "p=" + kind + ",," + string(bound)
	}
	name := strings.ReplaceAll(strings.ReplaceAll(authid, "=", "=3D"), ",", "=2C")
	message := fmt.Sprintf("n=%s,r=%s,r=%s,s=%s,i=%d,c=%s,r=%s", name, hello["nonce"], challenge["nonce"], challenge["salt"],
		challenge["iterations"], base64.StdEncoding.EncodeToString([]byte(gs2)), challenge["nonce"])
	return base64.StdEncoding.EncodeToString(clientProof(salted, message)), extra
}

// clientProof is the proof of RFC 5802.
func clientProof(salted []byte, message string) []byte {
	key := hmac256(salted, "Client Key")
	stored := digest(key)
	proof := hmac256(stored, message)
	for i := range proof {
		proof[i] ^= key[i]
	}
	return proof
}

// bound is the channel binding of the tests' TLS connections.
var bound = []byte("twelve octet")

func overTLS(kinds ...string) *wamp.Transport {
	return &wamp.Transport{ChannelBinding: func(kind string) ([]byte, bool) {
		for _, k := range kinds {
			if k == kind {
				return bound, true
			}
		}
		return nil, false
	}}
}

func TestRightAnswers(t *testing.T) {
	list := append(cast(t), Principal{Authid: "eve=2,\u00a0é", Role: "r4", SCRAM: cheap(t, kdfPBKDF2)})
	p := principals(t, list)
	for _, c := range []struct {
		name, authid, method string
		extra                map[string]any
		transport            *wamp.Transport
		role                 string
	}{
		{"ticket", "tom", "ticket", nil, nil, "r1"},
		{"wampcra", "carl", "wampcra", nil, nil, "r2"},
		{"wampcra, salted", "sally", "wampcra", nil, nil, "r3"},
		{"argon2", "sam", "wamp-scram", map[string]any{"nonce": "aa=="}, nil, "r4"},
		{"pbkdf2", "pam", "wamp-scram", map[string]any{"nonce": "aa==", "channel_binding": nil}, nil, "r4"},
		{"pbkdf2, draft", "pam", "scram", map[string]any{"nonce": "aa=="}, nil, "r4"},
		{"argon2, draft", "old", "wamp-scram", map[string]any{"nonce": "aa=="}, nil, "r4"},
		{"an authid to escape", "eve=2,\u00a0é", "wamp-scram", map[string]any{"nonce": "aa=="}, nil, "r4"},
		{"scram, bound", "sam", "wamp-scram", map[string]any{"nonce": "aa==", "channel_binding": "tls-unique"}, overTLS("tls-unique"), "r4"},
		{"scram, bound to the server", "sam", "scram", map[string]any{"nonce": "aa==", "channel_binding": "tls-server-end-point"}, overTLS("tls-server-end-point"), "r4"},
		{"cryptosign", "kim", "cryptosign", map[string]any{"pubkey": publicHex(1)}, nil, "r5"},
		{"cryptosign, key not told", "kim", "cryptosign", nil, nil, "r5"},
		{"cryptosign, challenge for the router", "kim", "cryptosign",
			map[string]any{"pubkey": publicHex(1), "challenge": strings.Repeat("ab", 32), "trustroot": nil}, nil, "r5"},
		{"cryptosign, no such channel", "kim", "cryptosign", map[string]any{"channel_binding": "tls-unique"}, nil, "r5"},
		{"cryptosign, a channel of wrong length", "kim", "cryptosign", map[string]any{"channel_binding": "tls-exporter"}, overTLS("tls-exporter"), "r5"},
		{"cryptosign, a channel it cannot use", "kim", "cryptosign", map[string]any{"channel_binding": "tls-server-end-point"}, overTLS("tls-server-end-point"), "r5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, e, err := p.Begin(Request{Authid: c.authid, Methods: []string{c.method}, Extra: c.extra, Session: 7, Transport: c.transport})
			if err != nil {
				t.Fatal(err)
			}
			signature, extra := right(t, c.authid, e, c.extra)
			id, err := e.Answer(signature, extra)
			if err != nil {
				t.Fatal(err, err.(*Refused).Cause)
			}
			id.Extra = nil
			if want := (Identity{Authid: c.authid, Role: c.role, Method: c.method, Provider: "static"}); !reflect.DeepEqual(id, want) {
				t.Errorf("%+v", id)
			}
			if _, err := e.Answer(signature, extra); !errors.Is(err, wamp.AuthenticationFailed) {
				t.Errorf("the second time: %v", err)
			}
		})
	}
}

// TestKeyIdentifies joins without an authid.
func TestKeyIdentifies(t *testing.T) {
	p := principals(t, cast(t))
	for b, want := range map[byte]string{1: "kim", 2: "kim", 3: "all", 9: ""} {
		_, e, err := p.Begin(Request{Methods: []string{"cryptosign"}, Extra: client.Cryptosign(seeded(b)).Extra()})
		if err != nil {
			t.Fatal(err)
		}
		id, err := e.Answer(clientAnswer(t, client.Cryptosign(seeded(b)), e), nil)
		if id.Authid != want || (err == nil) != (want != "") {
			t.Errorf("key %d: %q, %v", b, id.Authid, err)
		}
	}
}

// TestForeignKey signs correctly, but with a key of another principal.
func TestForeignKey(t *testing.T) {
	p := principals(t, cast(t))
	_, e, err := p.Begin(Request{Authid: "kim", Methods: []string{"cryptosign"}, Extra: map[string]any{"pubkey": publicHex(3)}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.Answer(clientAnswer(t, client.Cryptosign(seeded(3)), e), nil)
	var refused *Refused
	if !errors.As(err, &refused) || refused.Message != "authentication failed" || refused.Cause != "the key does not belong to the principal" {
		t.Errorf("%#v", err)
	}
}

func TestWrongAnswers(t *testing.T) {
	p := principals(t, cast(t))
	zeros := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }
	const failed = "authentication failed"
	const craForm = "wampcra: the signature is not 32 octets in base64"
	const scramForm = "scram: the signature is not 32 octets in base64"
	const signForm = "cryptosign: the signature is not 96 octets in hex, nor 64"
	for _, c := range []struct {
		name, authid, method, signature string
		extra                           map[string]any // "nonce" is added if missing
		want                            string
	}{
		{"ticket", "tom", "ticket", "pencil2", nil, failed},
		{"ticket, empty", "tom", "ticket", "", nil, failed},
		{"ticket, longer", "tom", "ticket", strings.Repeat("pencil", 1000), nil, failed},
		{"wampcra", "carl", "wampcra", zeros(32), nil, failed},
		{"wampcra, the secret itself", "carl", "wampcra", "pencil", nil, craForm},
		{"wampcra, empty", "carl", "wampcra", "", nil, craForm},
		{"wampcra, short", "carl", "wampcra", zeros(31), nil, craForm},
		{"wampcra, no padding", "carl", "wampcra", strings.TrimRight(zeros(32), "="), nil, craForm},
		{"wampcra, white space", "carl", "wampcra", zeros(32) + "\n", nil, craForm},
		{"wampcra, hex", "carl", "wampcra", strings.Repeat("00", 32), nil, craForm},
		{"scram", "sam", "wamp-scram", zeros(32), nil, failed},
		{"scram, empty", "sam", "wamp-scram", "", nil, scramForm},
		{"scram, long", "sam", "wamp-scram", zeros(33), nil, scramForm},
		{"scram, not canonical", "sam", "wamp-scram", strings.Repeat("A", 42) + "B=", nil, scramForm},
		{"scram, no nonce", "sam", "wamp-scram", zeros(32), map[string]any{"nonce": nil}, "scram: AUTHENTICATE.Extra has no nonce"},
		{"scram, nonce of another type", "sam", "scram", zeros(32), map[string]any{"nonce": 7}, "scram: AUTHENTICATE.Extra has no nonce"},
		{"scram, draft without nonce", "sam", "scram", zeros(32), map[string]any{"nonce": nil}, failed},
		{"scram, other nonce", "sam", "wamp-scram", zeros(32), map[string]any{"nonce": "aa=="}, "scram: wrong nonce in AUTHENTICATE.Extra"},
		{"scram, binds suddenly", "sam", "wamp-scram", zeros(32), map[string]any{"channel_binding": "tls-unique"}, "scram: the channel binding in AUTHENTICATE.Extra is not the one in HELLO"},
		{"scram, binding of another type", "sam", "wamp-scram", zeros(32), map[string]any{"channel_binding": 7}, "channel_binding is not a string"},
		{"scram, data without binding", "sam", "wamp-scram", zeros(32), map[string]any{"cbind_data": "AAAA"}, "scram: binding data without channel binding"},
		{"scram, data of another type", "sam", "wamp-scram", zeros(32), map[string]any{"cbind_data": false}, "scram: binding data without channel binding"},
		{"cryptosign", "kim", "cryptosign", strings.Repeat("00", 64), nil, failed},
		{"cryptosign, other message", "kim", "cryptosign", strings.Repeat("00", 96), nil, "cryptosign: the signed data is not the challenge"},
		{"cryptosign, empty", "kim", "cryptosign", "", nil, signForm},
		{"cryptosign, short", "kim", "cryptosign", strings.Repeat("00", 63), nil, signForm},
		{"cryptosign, between", "kim", "cryptosign", strings.Repeat("00", 80), nil, signForm},
		{"cryptosign, long", "kim", "cryptosign", strings.Repeat("00", 97), nil, signForm},
		{"cryptosign, no hex", "kim", "cryptosign", strings.Repeat("zz", 96), nil, signForm},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, e, err := p.Begin(Request{Authid: c.authid, Methods: []string{c.method}, Extra: map[string]any{"nonce": "egVDf3DMJh0="}})
			if err != nil {
				t.Fatal(err)
			}
			extra := map[string]any{"nonce": e.Challenge()["nonce"]}
			for k, v := range c.extra {
				extra[k] = v
			}
			id, err := e.Answer(c.signature, extra)
			if !errors.Is(err, wamp.AuthenticationFailed) || err.Error() != c.want || id.Authid != "" {
				t.Errorf("%+v, %v", id, err)
			}
			if _, err := e.Answer(right(t, c.authid, e, map[string]any{"nonce": "egVDf3DMJh0="})); err == nil {
				t.Error("after a wrong answer the right one is taken")
			}
		})
	}
}

// TestBoundElsewhere relays an answer from one TLS connection to another.
func TestBoundElsewhere(t *testing.T) {
	p := principals(t, cast(t))
	hello := map[string]any{"nonce": "aa==", "channel_binding": "tls-unique"}
	for name, change := range map[string]func(extra map[string]any){
		"scram: the binding data does not match the connection":                      func(x map[string]any) { x["cbind_data"] = "AAAA" },
		"scram: AUTHENTICATE.Extra.cbind_data is not base64":                         func(x map[string]any) { x["cbind_data"] = "!" },
		"scram: the channel binding in AUTHENTICATE.Extra is not the one in HELLO":   func(x map[string]any) { x["channel_binding"] = nil },
		"scram: AUTHENTICATE.Extra.cbind_data is not base64 ":                        func(x map[string]any) { x["cbind_data"] = nil },
		"scram: the channel binding in AUTHENTICATE.Extra is not the one in HELLO  ": func(x map[string]any) { x["channel_binding"] = "tls-exporter" },
	} {
		_, e, err := p.Begin(Request{Authid: "sam", Methods: []string{"wamp-scram"}, Extra: hello, Transport: overTLS("tls-unique", "tls-exporter")})
		if err != nil {
			t.Fatal(err)
		}
		signature, extra := right(t, "sam", e, hello)
		change(extra)
		if _, err := e.Answer(signature, extra); err == nil || err.Error() != strings.TrimSpace(name) {
			t.Errorf("%v, not %s", err, name)
		}
	}
}

func TestCRAChallenge(t *testing.T) {
	p := principals(t, cast(t))
	_, e, err := p.Begin(Request{Authid: "sally", Methods: []string{"wampcra"}, Session: wamp.MaxID})
	if err != nil {
		t.Fatal(err)
	}
	extra := e.Challenge()
	if extra["salt"] != "salt123" || extra["iterations"] != 10 || extra["keylen"] != 32 || len(extra) != 4 {
		t.Errorf("CHALLENGE.Extra %v", extra)
	}
	var fields map[string]any
	if err := json.Unmarshal([]byte(extra["challenge"].(string)), &fields); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"authid": "sally", "authrole": "r3", "authmethod": "wampcra", "authprovider": "static", "session": float64(wamp.MaxID),
	} {
		if fields[name] != want {
			t.Errorf("%s: %v", name, fields[name])
		}
	}
	stamp, nonce := fields["timestamp"].(string), fields["nonce"].(string)
	if len(fields) != 7 || len(nonce) < 22 || len(stamp) != len("2014-06-22T16:36:25.448Z") {
		t.Errorf("the challenge: %v", fields)
	}
	_, e, _ = p.Begin(Request{Authid: "carl", Methods: []string{"wampcra"}})
	if len(e.Challenge()) != 1 {
		t.Errorf("without salt: %v", e.Challenge())
	}
}

// TestCRAVectors checks values computed with Python's hmac and Autobahn's derive_key.
func TestCRAVectors(t *testing.T) {
	const text = `{"nonce": "LHRTC9zeOIrt_9U3", "authprovider": "userdb", "authid": "peter"}`
	salted, err := DeriveCRA("secret1", "salt123", 100, 16)
	if err != nil || string(salted.Secret) != "prq7+YkJ1/KlW1X0YczMHw==" {
		t.Errorf("derived %s, %v", string(salted.Secret), err)
	}
	for want, record := range map[string]CRA{
		"Hnb6IFx5shH0FSG2NXE7QMEoz0W6qA+tGad7PvTYDow=": {Secret: "secret1"},
		"rVIgZt74lA8JmzKr+Rxgchi4hSVt/S77E7OEFqVSY1c=": salted,
	} {
		if _, err := (cra{record, text}).verify(want, nil); err != nil {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestDeriveCRA(t *testing.T) {
	a, err := DeriveCRA("pencil", "", 0, 0)
	b, _ := DeriveCRA("pencil", "", 0, 0)
	if err != nil || a.Salt == b.Salt || a.Iterations != 1000 || a.KeyLen != 32 || a.check() != nil {
		t.Errorf("%+v, %+v, %v", a, b, err)
	}
	for _, c := range [][2]int{{-1, 0}, {maxCRAIterations + 1, 0}, {0, -1}, {0, 65}} {
		if _, err := DeriveCRA("pencil", "", c[0], c[1]); err == nil {
			t.Errorf("%v is taken", c)
		}
	}
}

// TestCryptosignVectors checks the specification's vectors (advanced/authentication_cryptosign.md, "Test Vectors").
func TestCryptosignVectors(t *testing.T) {
	const channel = "62e935ae755f3d48f80d4d59f6121358c435722a67e859cc0caa8b539027f2ff"
	for _, c := range []struct{ channel, key, challenge, signature string }{
		{"", "4d57d97a68f555696620a6d849c0ce582568518d729eb753dc7c732de2804510",
			"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
			"b32675b221f08593213737bef8240e7c15228b07028e19595294678c90d11c0cae80a357331bfc5cc9fb71081464e6e75013517c2cf067ad566a6b7b728e5d03ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
		{"", "d511fe78e23934b3dadb52fcd022974b80bd92bccc7c5cf404e46cc0a8a2f5cd",
			"b26c1f87c13fc1da14997f1b5a71995dff8fbe0a62fae8473c7bdbd05bfb607d",
			"d4209ad10d5aff6bfbc009d7e924795de138a63515efc7afc6b01b7fe5201372190374886a70207b042294af5bd64ce725cd8dceb344e6d11c09d1aaaf4d660fb26c1f87c13fc1da14997f1b5a71995dff8fbe0a62fae8473c7bdbd05bfb607d"},
		{"", "6e1fde9cf9e2359a87420b65a87dc0c66136e66945196ba2475990d8a0c3a25b",
			"b05e6b8ad4d69abf74aa3be3c0ee40ae07d66e1895b9ab09285a2f1192d562d2",
			"7beb282184baadd08f166f16dd683b39cab53816ed81e6955def951cb2ddad1ec184e206746fd82bda075af03711d3d5658fc84a76196b0fa8d1ebc92ef9f30bb05e6b8ad4d69abf74aa3be3c0ee40ae07d66e1895b9ab09285a2f1192d562d2"},
		{channel, "4d57d97a68f555696620a6d849c0ce582568518d729eb753dc7c732de2804510",
			"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
			"9b6f41540c9b95b4b7b281c3042fa9c54cef43c842d62ea3fd6030fcb66e70b3e80d49d44c29d1635da9348d02ec93f3ed1ef227dfb59a07b580095c2b82f80f9d16ca518aa0c2b707f2b2a609edeca73bca8dd59817a633f35574ac6fd80d00"},
		{channel, "d511fe78e23934b3dadb52fcd022974b80bd92bccc7c5cf404e46cc0a8a2f5cd",
			"b26c1f87c13fc1da14997f1b5a71995dff8fbe0a62fae8473c7bdbd05bfb607d",
			"305aaa3ac25e98f651427688b3fc43fe7d8a68a7ec1d7d61c61517c519bd4a427c3015599d83ca28b4c652333920223844ef0725eb5dc2febfd6af7677b73f01d0852a29b460fc92ec943242ac638a053bbacc200512b18b30d15083cbdc9282"},
		{channel, "6e1fde9cf9e2359a87420b65a87dc0c66136e66945196ba2475990d8a0c3a25b",
			"b05e6b8ad4d69abf74aa3be3c0ee40ae07d66e1895b9ab09285a2f1192d562d2",
			"ee3c7644fd8070532bc1fde3d70d742267da545d8c8f03e63bda63f1ad4214f4d2c4bfdb4eb9526def42deeb7e31602a6ff99eba893e0a4ad4d45892ca75e608d2b75e24a189a7f78ca776ba36fc53f6c3e31c32f251f2c524f0a44202f2902d"},
	} {
		seed, _ := hex.DecodeString(c.key)
		id, _ := hex.DecodeString(c.channel)
		transport := &wamp.Transport{ChannelBinding: func(kind string) ([]byte, bool) { return id, kind == "tls-exporter" }}
		x := &cryptosign{keys: []ed25519.PublicKey{ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)}}
		hex.Decode(x.text[:], []byte(c.challenge))
		x.signed = x.text
		if err := x.bind(attempt{Request: Request{Extra: map[string]any{"channel_binding": "tls-exporter"}, Transport: transport}}); err != nil {
			t.Fatal(err)
		}
		if want := x.challenge()["channel_binding"]; (want == nil) != (c.channel == "") {
			t.Errorf("channel binding %v", want)
		}
		for _, signature := range []string{c.signature, strings.ToUpper(c.signature), c.signature[:128]} {
			if _, err := x.verify(signature, nil); err != nil {
				t.Errorf("channel %q, %s: %v", c.channel, signature, err)
			}
		}
	}
}

// TestTLSUnique signs the same text as Autobahn: the challenge XOR the SHA-256 of the Finished message.
func TestTLSUnique(t *testing.T) {
	p := principals(t, cast(t))
	hello := map[string]any{"pubkey": publicHex(1), "channel_binding": "tls-unique"}
	_, e, err := p.Begin(Request{Methods: []string{"cryptosign"}, Extra: hello, Transport: overTLS("tls-unique")})
	if err != nil {
		t.Fatal(err)
	}
	extra := e.Challenge()
	message, _ := hex.DecodeString(extra["challenge"].(string))
	for i, b := range digest(bound) {
		message[i] ^= b
	}
	signature := append(ed25519.Sign(seeded(1), message), message...)
	if _, err := e.Answer(hex.EncodeToString(signature), nil); err != nil || extra["channel_binding"] != "tls-unique" {
		t.Errorf("%v, CHALLENGE.Extra %v", err, extra)
	}
}

func FuzzBegin(f *testing.F) {
	p := principals(f, cast(f))
	f.Add("sam", "wamp-scram", `{"nonce": "aa==", "channel_binding": "tls-unique"}`)
	f.Add("", "cryptosign", `{"pubkey": "`+publicHex(1)+`"}`)
	f.Add("tom", "unix,tls,ticket", `{}`)
	f.Fuzz(func(t *testing.T, authid, methods, extra string) {
		var dict map[string]any
		json.Unmarshal([]byte(extra), &dict)
		id, e, err := p.Begin(Request{Authid: authid, Methods: strings.Split(methods, ","), Extra: dict, Transport: overTLS("tls-unique")})
		if id != nil || (e == nil) == (err == nil) {
			t.Errorf("%v, %v, %v", id, e, err)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	p := principals(f, cast(f))
	zeros := base64.StdEncoding.EncodeToString(make([]byte, 32))
	f.Add("ticket", "tom", "x", `{}`)
	f.Add("wampcra", "carl", zeros, `{}`)
	f.Add("wamp-scram", "sam", zeros, `{"nonce": "aa==", "channel_binding": null, "cbind_data": null}`)
	f.Add("scram", "old", zeros, `{}`)
	f.Add("cryptosign", "kim", strings.Repeat("00", 96), `{}`)
	f.Fuzz(func(t *testing.T, method, authid, signature, extra string) {
		var dict map[string]any
		json.Unmarshal([]byte(extra), &dict)
		_, e, err := p.Begin(Request{Authid: authid, Methods: []string{method}, Extra: map[string]any{"nonce": "aa=="}})
		if err != nil {
			return
		}
		if dict["nonce"] == "aa==" {
			dict["nonce"] = e.Challenge()["nonce"]
		}
		id, err := e.Answer(signature, dict)
		if method == "ticket" && signature == "pencil" {
			return
		}
		var refused *Refused
		if !errors.As(err, &refused) || refused.Reason != wamp.AuthenticationFailed || id.Authid != "" {
			t.Errorf("%+v, %v", id, err)
		}
	})
}
