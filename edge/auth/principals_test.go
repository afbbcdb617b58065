package auth

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"runnel/edge/wamp"
)

func number(n int) *int { return &n }

func seeded(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, ed25519.SeedSize))
}

func public(b byte) ed25519.PublicKey { return seeded(b).Public().(ed25519.PublicKey) }

func publicHex(b byte) string { return hex.EncodeToString(public(b)) }

var fingerprint = strings.Repeat("0a", 32)

// cheap returns SCRAM keys that take a test no time.
func cheap(t testing.TB, kdf string) *SCRAM {
	t.Helper()
	memory := 0
	if kdf != kdfPBKDF2 {
		memory = minArgon2Memory
	}
	s, err := NewSCRAM("pencil", kdf, 2, memory)
	if err != nil {
		t.Fatal(err)
	}
	return &s
}

// cast has one principal for each method, and one with all methods.
func cast(t testing.TB) []Principal {
	salted, err := DeriveCRA("pencil", "salt123", 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return []Principal{
		{Authid: "tom", Role: "r1", Ticket: "pencil"},
		{Authid: "carl", Role: "r2", CRA: &CRA{Secret: "pencil"}},
		{Authid: "sally", Role: "r3", CRA: &salted},
		{Authid: "sam", Role: "r4", SCRAM: cheap(t, kdfArgon2)},
		{Authid: "pam", Role: "r4", SCRAM: cheap(t, kdfPBKDF2)},
		{Authid: "old", Role: "r4", SCRAM: cheap(t, kdfArgon2Draft)},
		{Authid: "kim", Role: "r5", Keys: []ed25519.PublicKey{public(1), public(2)}},
		{Authid: "ursula", Role: "r6", UID: number(1001)},
		{Authid: "greg", Role: "r6", GID: number(20)},
		{Authid: "both", Role: "r6", UID: number(1002), GID: number(20)},
		{Authid: "cert", Role: "r7", Certificate: "pump-7"},
		{Authid: "print", Role: "r7", Certificate: strings.ToUpper(fingerprint)},
		{Authid: "all", Role: "r8", Ticket: "pencil", CRA: &CRA{Secret: "pencil"}, Keys: []ed25519.PublicKey{public(3)}},
	}
}

func principals(t testing.TB, list []Principal) *Principals {
	t.Helper()
	p, err := NewPrincipals(list)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func process(uid, gid int) *wamp.Transport {
	return &wamp.Transport{HasCred: true, UID: uid, GID: gid}
}

func certified(name, sum string) *wamp.Transport {
	return &wamp.Transport{Certificate: &wamp.Certificate{CommonName: name, SHA256: sum}}
}

// TestBegin checks the result of each HELLO: "=authid" is an identity, a method's name its CHALLENGE, or else a reason.
func TestBegin(t *testing.T) {
	p := principals(t, cast(t))
	key := func(b byte) map[string]any { return map[string]any{"pubkey": publicHex(b)} }
	nonce := map[string]any{"nonce": "egVDf3DMJh0="}
	for _, c := range []struct {
		name      string
		authid    string
		methods   string
		extra     map[string]any
		transport *wamp.Transport
		want      string
	}{
		{"ticket", "tom", "ticket", nil, nil, "ticket"},
		{"the client's order", "all", "ticket cryptosign", key(3), nil, "ticket"},
		{"the client's other order", "all", "cryptosign ticket", key(3), nil, "cryptosign"},
		{"what the principal has not is passed over", "all", "wamp-scram wampcra", nonce, nil, "wampcra"},
		{"what is unknown is passed over", "tom", "otp anonymous ticket", nil, nil, "ticket"},
		{"a name twice", "tom", "ticket ticket", nil, nil, "ticket"},
		{"nothing known", "tom", "otp anonymous", nil, nil, "wamp.error.no_matching_auth_method"},
		{"no methods", "tom", "", nil, nil, "wamp.error.authentication_required"},
		{"no authid", "", "ticket wampcra", nil, nil, "wamp.error.authentication_failed"},
		{"no authid, but a later method needs none", "", "ticket cryptosign", key(1), nil, "cryptosign"},
		{"no authid, no key", "", "cryptosign", nil, nil, "wamp.error.authentication_failed"},
		{"no authid, a broken key", "", "cryptosign", map[string]any{"pubkey": "zz"}, nil, "wamp.error.authentication_failed"},
		{"a broken key", "kim", "cryptosign", map[string]any{"pubkey": 7}, nil, "wamp.error.authentication_failed"},
		{"an authid without key", "kim", "cryptosign", nil, nil, "cryptosign"},
		{"a stranger's key", "", "cryptosign", key(9), nil, "cryptosign"},
		{"scram", "sam", "wamp-scram", nonce, nil, "wamp-scram"},
		{"scram by its draft's name", "old", "scram", nonce, nil, "scram"},
		{"scram without nonce", "sam", "wamp-scram", nil, nil, "wamp.error.authentication_failed"},
		{"scram, nonce of another type", "sam", "wamp-scram", map[string]any{"nonce": 7}, nil, "wamp.error.authentication_failed"},
		{"scram, nonce with a comma", "sam", "wamp-scram", map[string]any{"nonce": "a,r=b"}, nil, "wamp.error.authentication_failed"},
		{"scram, huge nonce", "sam", "wamp-scram", map[string]any{"nonce": strings.Repeat("a", maxNonce+1)}, nil, "wamp.error.authentication_failed"},
		{"scram, no such channel", "sam", "wamp-scram", map[string]any{"nonce": "aa==", "channel_binding": "tls-unique"}, nil, "wamp.error.authentication_failed"},
		{"scram, channel of another type", "sam", "wamp-scram", map[string]any{"nonce": "aa==", "channel_binding": true}, nil, "wamp.error.authentication_failed"},
		{"cryptosign, channel of another type", "kim", "cryptosign", map[string]any{"channel_binding": true}, nil, "wamp.error.authentication_failed"},
		{"unknown authid", "mallory", "ticket", nil, nil, "ticket"},
		{"unknown authid, wampcra", "mallory", "wampcra", nil, nil, "wampcra"},
		{"unknown authid, scram", "mallory", "wamp-scram", nonce, nil, "wamp-scram"},
		{"a method the principal has no secret for", "tom", "wampcra", nil, nil, "wampcra"},
		{"uid", "", "unix", nil, process(1001, 5), "=ursula"},
		{"uid with its authid", "ursula", "unix", nil, process(1001, 5), "=ursula"},
		{"uid before gid", "", "unix", nil, process(1001, 20), "=ursula"},
		{"gid", "", "unix", nil, process(7, 20), "=greg"},
		{"uid and gid before gid", "", "unix", nil, process(1002, 20), "=both"},
		{"uid and gid, one wrong", "", "unix", nil, process(1002, 21), "wamp.error.no_such_principal"},
		{"uid without methods", "", "", nil, process(1001, 5), "=ursula"},
		{"another's authid", "tom", "unix", nil, process(1001, 5), "wamp.error.authentication_failed"},
		{"no unix socket", "", "unix", nil, &wamp.Transport{}, "wamp.error.no_such_principal"},
		{"no transport", "", "unix tls", nil, nil, "wamp.error.no_such_principal"},
		{"nobody's uid, then a ticket", "tom", "unix ticket", nil, process(7, 7), "ticket"},
		{"common name", "", "tls", nil, certified("pump-7", strings.Repeat("bb", 32)), "=cert"},
		{"fingerprint", "", "tls", nil, certified("x", fingerprint), "=print"},
		{"fingerprint before common name", "", "tls", nil, certified("pump-7", fingerprint), "=print"},
		{"certificate without methods", "", "", nil, certified("pump-7", ""), "=cert"},
		{"named like a fingerprint", "", "tls", nil, certified(fingerprint, ""), "wamp.error.no_such_principal"},
		{"nobody's certificate", "", "tls", nil, certified("x", ""), "wamp.error.no_such_principal"},
		{"a certificate of nothing", "", "tls", nil, certified("", ""), "wamp.error.no_such_principal"},
		{"no certificate", "", "tls", nil, process(1001, 5), "wamp.error.no_such_principal"},
	} {
		t.Run(c.name, func(t *testing.T) {
			id, e, err := p.Begin(Request{Realm: "realm1", Authid: c.authid, Methods: strings.Fields(c.methods), Extra: c.extra, Transport: c.transport})
			var got string
			var reason wamp.Failure
			switch {
			case errors.As(err, &reason):
				got = string(reason)
			case e != nil:
				got = e.Method()
			case id != nil:
				got = "=" + id.Authid
			}
			if got != c.want {
				t.Errorf("%s, not %s (%v)", got, c.want, err)
			}
		})
	}
}

func TestBeginTellsWhatIsOffered(t *testing.T) {
	p := principals(t, cast(t))
	all := []string{"tls", "unix", "cryptosign", "wamp-scram", "scram", "wampcra", "ticket"}
	if got := p.Methods(); !slices.Equal(got, all) {
		t.Errorf("Methods: %v", got)
	}
	_, _, err := p.Begin(Request{Methods: []string{"otp"}})
	if want := "none of the client's methods is offered; offered: " + strings.Join(all, ", "); err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
	p = principals(t, nil)
	_, _, err = p.Begin(Request{Authid: "tom", Methods: []string{"ticket", "unix"}})
	if !errors.Is(err, wamp.NoMatchingAuthMethod) || len(p.Methods()) != 0 {
		t.Errorf("without principals: %v", err)
	}
}

func TestTransportIdentity(t *testing.T) {
	id, _, err := principals(t, cast(t)).Begin(Request{Transport: process(1001, 5)})
	want := &Identity{Authid: "ursula", Role: "r6", Method: "unix", Provider: "static"}
	if err != nil || !reflect.DeepEqual(id, want) {
		t.Errorf("%+v, %v", id, err)
	}
}

// TestUnknownAuthidsLookKnown compares the messages that a peer gets for an unknown authid, for a known one without
// such a secret, and for a wrong secret.
func TestUnknownAuthidsLookKnown(t *testing.T) {
	p := principals(t, cast(t))
	nonce := map[string]any{"nonce": "egVDf3DMJh0="}
	for _, c := range []struct {
		method, has, wrong string
		extra              map[string]any
	}{
		{"ticket", "tom", "wrong", nil},
		{"wampcra", "carl", strings.Repeat("A", 43) + "=", nil},
		{"wamp-scram", "sam", strings.Repeat("A", 43) + "=", nonce},
		{"scram", "sam", strings.Repeat("A", 43) + "=", nonce},
		{"cryptosign", "kim", strings.Repeat("00", 64), nil},
	} {
		for cause, authid := range map[string]string{
			"":                              c.has,
			`there is no principal "nobody`: "nobody",
			`the principal "ursula" has none of the methods: ` + c.method: "ursula",
		} {
			_, e, err := p.Begin(Request{Authid: authid, Methods: []string{c.method}, Extra: c.extra})
			if err != nil {
				t.Fatalf("%s %s: %v", c.method, authid, err)
			}
			extra := map[string]any{"nonce": e.Challenge()["nonce"]}
			_, err = e.Answer(c.wrong, extra)
			var refused *Refused
			if !errors.As(err, &refused) || refused.Reason != wamp.AuthenticationFailed || err.Error() != "authentication failed" {
				t.Errorf("%s %s: %v", c.method, authid, err)
			}
			if !strings.HasPrefix(refused.Cause, cause) {
				t.Errorf("%s %s: the log says %q", c.method, authid, refused.Cause)
			}
		}
	}
}

// TestDecoyNeverJoins answers a decoy's challenge with the secrets of the principal it is modelled after.
func TestDecoyNeverJoins(t *testing.T) {
	p := principals(t, []Principal{
		{Authid: "all", Role: "r", Ticket: "pencil", CRA: &CRA{Secret: "pencil"}, SCRAM: cheap(t, kdfPBKDF2), Keys: []ed25519.PublicKey{public(1)}},
	})
	for _, method := range []string{"ticket", "wampcra", "wamp-scram", "cryptosign"} {
		for _, authid := range []string{"nobody", "all"} {
			r := Request{Authid: authid, Methods: []string{method}, Extra: map[string]any{"nonce": "aa=="}}
			_, e, err := p.Begin(r)
			if err != nil {
				t.Fatal(err)
			}
			_, err = e.Answer(right(t, authid, e, r.Extra))
			if (err == nil) != (authid == "all") {
				t.Errorf("%s %s: %v", method, authid, err)
			}
		}
	}
}

func TestStandInIsStable(t *testing.T) {
	list := cast(t)
	key := []byte("sixteen octets!!")
	see := func(list []Principal, authid, method string) map[string]any {
		p, err := NewPrincipalsWithKey(list, key)
		if err != nil {
			t.Fatal(err)
		}
		_, e, err := p.Begin(Request{Authid: authid, Methods: []string{method}, Extra: map[string]any{"nonce": "aa=="}})
		if err != nil {
			t.Fatal(err)
		}
		extra := maps.Clone(e.Challenge())
		delete(extra, "nonce")
		delete(extra, "challenge")
		return extra
	}
	salts := make(map[any]bool)
	for _, authid := range []string{"nobody", "noone", "nil"} {
		first := see(list, authid, "wamp-scram")
		slices.Reverse(list)
		if again := see(list, authid, "wamp-scram"); !reflect.DeepEqual(first, again) {
			t.Errorf("%s: %v, then %v", authid, first, again)
		}
		salts[first["salt"]] = true
	}
	salts[see(list, "sam", "wamp-scram")["salt"]] = true
	if len(salts) != 4 {
		t.Errorf("salts of 4 authids: %v", salts)
	}
	salted := list[slices.IndexFunc(list, func(p Principal) bool { return p.Authid == "sally" })]
	one := see([]Principal{salted}, "nobody", "wampcra")
	if one["salt"] == "salt123" || len(one["salt"].(string)) != len("salt123") || one["iterations"] != 10 {
		t.Errorf("wampcra: %v", one)
	}
}

// TestDecoyFollowsItsPrincipal: adding or removing one principal changes the decoys of few other authids.
func TestDecoyFollowsItsPrincipal(t *testing.T) {
	var list []Principal
	for _, c := range "abcdefghijklmnopqrst" {
		list = append(list, Principal{Authid: string(c), Role: "r", Ticket: "t"})
	}
	before, after := principals(t, list), principals(t, list[1:])
	moved, used := 0, make(map[string]bool)
	for i := range 500 {
		name := "nobody" + hex.EncodeToString([]byte{byte(i), byte(i >> 8)})
		was := before.decoyFor(name, byTicket).Authid
		used[was] = true
		if is := after.decoyFor(name, byTicket).Authid; is != was {
			moved++
			if was != list[0].Authid {
				t.Errorf("%s: %s became %s", name, was, is)
			}
		}
	}
	if moved == 500 || len(used) < 5 {
		t.Errorf("%d of 500 moved; %d decoys", moved, len(used))
	}
}

func TestPrincipalsErrors(t *testing.T) {
	good := cheap(t, kdfArgon2)
	change := func(f func(*SCRAM)) *SCRAM {
		s := *good
		f(&s)
		return &s
	}
	salted := func(c CRA) *CRA {
		if c.Secret == "" {
			c.Secret = Secret(strings.Repeat("A", 43) + "=")
		}
		c.Salt += "s"
		return &c
	}
	for _, c := range []struct {
		name string
		list []Principal
		want string
	}{
		{"no authid", []Principal{{Role: "r", Ticket: "t"}}, `principal "": the authid is empty`},
		{"no role", []Principal{{Authid: "a", Ticket: "t"}}, `principal "a": no role`},
		{"no method", []Principal{{Authid: "a", Role: "r"}}, `principal "a": no authentication method`},
		{"uid", []Principal{{Authid: "a", Role: "r", UID: number(-1)}}, `principal "a": uid -1 is negative`},
		{"gid", []Principal{{Authid: "a", Role: "r", GID: number(-1)}}, `principal "a": gid -1 is negative`},
		{"key", []Principal{{Authid: "a", Role: "r", Keys: []ed25519.PublicKey{{1}}}}, `principal "a": cryptosign: a key has 1 bytes, not 32`},
		{"cra", []Principal{{Authid: "a", Role: "r", CRA: &CRA{}}}, `principal "a": wampcra: the secret is empty`},
		{"cra password", []Principal{{Authid: "a", Role: "r", CRA: salted(CRA{Secret: "pencil"})}}, `principal "a": wampcra: with a salt, the secret must be the derived key: 32 bytes in base64`},
		{"cra key length", []Principal{{Authid: "a", Role: "r", CRA: salted(CRA{KeyLen: 16})}}, `principal "a": wampcra: with a salt, the secret must be the derived key: 16 bytes in base64`},
		{"cra cost", []Principal{{Authid: "a", Role: "r", CRA: salted(CRA{Iterations: -1})}}, `principal "a": wampcra: -1 iterations; the range is 1 to 1000000`},
		{"cra long key", []Principal{{Authid: "a", Role: "r", CRA: salted(CRA{KeyLen: 65})}}, `principal "a": wampcra: a key of 65 bytes; the range is 1 to 64`},
		{"cra long salt", []Principal{{Authid: "a", Role: "r", CRA: salted(CRA{Salt: strings.Repeat("s", 1024)})}}, `principal "a": wampcra: a salt of 1025 bytes; the range is 1 to 1024`},
		{"kdf", []Principal{{Authid: "a", Role: "r", SCRAM: change(func(s *SCRAM) { s.KDF = "scrypt" })}}, `principal "a": scram: unknown kdf "scrypt"; use argon2id13, pbkdf2 or argon2id-13`},
		{"iterations", []Principal{{Authid: "a", Role: "r", SCRAM: change(func(s *SCRAM) { s.Iterations = 0 })}}, `principal "a": scram: argon2id13 with 0 iterations; the range is 1 to 10000`},
		{"memory", []Principal{{Authid: "a", Role: "r", SCRAM: change(func(s *SCRAM) { s.Memory = 1 << 30 })}}, `principal "a": scram: argon2id13 with 1073741824 KiB of memory; the range is 8 to 1048576`},
		{"no memory", []Principal{{Authid: "a", Role: "r", SCRAM: change(func(s *SCRAM) { s.KDF = "pbkdf2" })}}, `principal "a": scram: pbkdf2 does not use memory`},
		{"salt", []Principal{{Authid: "a", Role: "r", SCRAM: change(func(s *SCRAM) { s.Salt = nil })}}, `principal "a": scram: a salt of 0 bytes; the range is 1 to 1024`},
		{"stored key", []Principal{{Authid: "a", Role: "r", SCRAM: change(func(s *SCRAM) { s.StoredKey = nil })}}, `principal "a": scram: a stored key of 0 bytes, not 32`},
		{"server key", []Principal{{Authid: "a", Role: "r", SCRAM: change(func(s *SCRAM) { s.ServerKey = s.ServerKey[1:] })}}, `principal "a": scram: a server key of 31 bytes, not 32`},
		{"two of an authid", []Principal{{Authid: "a", Role: "r", Ticket: "t"}, {Authid: "a", Role: "s", Ticket: "u"}}, `principal "a": duplicate authid`},
		{"two of a key", []Principal{{Authid: "a", Role: "r", Keys: []ed25519.PublicKey{public(1)}}, {Authid: "b", Role: "r", Keys: []ed25519.PublicKey{public(1)}}},
			`principal "b": the key ` + publicHex(1) + ` is also that of "a"`},
		{"two of a process", []Principal{{Authid: "a", Role: "r", UID: number(1)}, {Authid: "b", Role: "r", UID: number(1)}}, `principal "b": the pair of uid and gid is also that of "a"`},
		{"two of a certificate", []Principal{{Authid: "a", Role: "r", Certificate: fingerprint}, {Authid: "b", Role: "r", Certificate: strings.ToUpper("0a:" + fingerprint[2:])}},
			`principal "b": the certificate ` + fingerprint + ` is also that of "a"`},
		{"all are told", []Principal{{Authid: "a", Role: "r"}, {Authid: "b"}}, "principal \"a\": no authentication method\nprincipal \"b\": no role"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := NewPrincipals(c.list); err == nil || err.Error() != c.want {
				t.Errorf("%v", err)
			}
		})
	}
	if _, err := NewPrincipalsWithKey(nil, []byte("short")); err == nil {
		t.Error("a short key is taken")
	}
}

// TestPrincipalsAreCopied changes the list after compiling it.
func TestPrincipalsAreCopied(t *testing.T) {
	list := cast(t)
	p := principals(t, list)
	for i := range list {
		if list[i].CRA != nil {
			list[i].CRA.Secret = ""
		}
		if list[i].SCRAM != nil {
			list[i].SCRAM.StoredKey = nil
		}
		if len(list[i].Keys) > 0 {
			list[i].Keys[0] = nil
		}
	}
	for _, authid := range []string{"carl", "sam"} {
		r := Request{Authid: authid, Methods: []string{"wampcra", "wamp-scram"}, Extra: map[string]any{"nonce": "aa=="}}
		_, e, err := p.Begin(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Answer(right(t, authid, e, r.Extra)); err != nil {
			t.Errorf("%s: %v", authid, err)
		}
	}
	if contains(p.authids["kim"].Keys, nil) {
		t.Error("a key was changed")
	}
}

func TestRefusedTellsTheLogMore(t *testing.T) {
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("refused", "because", failed("wrong ticket"))
	if !strings.Contains(log.String(), `because="wrong ticket"`) {
		t.Errorf("%s", &log)
	}
}
