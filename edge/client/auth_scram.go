package client

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/crypto/argon2"

	"runnel/edge/codec"
	"runnel/edge/saslprep"
	"runnel/edge/wamp"
)

// SCRAM authenticates by a password that is neither sent nor known to the router. The router proves in turn that it has
// the keys derived from the password (advanced/authentication_scram.md, method "wamp-scram"). SCRAM uses channel
// binding only if Bind adds it.
func SCRAM(authid, password string) Auth {
	return scramAuth{authid: authid, password: password}
}

type scramAuth struct {
	authid, password string
	binding          string // kind of channel binding; "": none
}

func (scramAuth) Method() string        { return "wamp-scram" }
func (scramAuth) Extra() map[string]any { return nil }

// Answer fails: only the scramAttempt of an attempt to join can answer.
func (scramAuth) Answer(Challenge) (string, error) {
	return "", errors.New("scram: no attempt to join was started")
}

func (a scramAuth) bound(kind string) Auth {
	a.binding = kind
	return a
}

func (a scramAuth) Attempt(t *wamp.Transport) (_ Auth, err error) {
	nonce := make([]byte, 18)
	rand.Read(nonce)
	try := &scramAttempt{scramAuth: a, clientNonce: base64.StdEncoding.EncodeToString(nonce)}
	if a.binding != "" {
		try.channel, err = channelData(t, a.binding)
	}
	return try, err
}

// scramAttempt is one exchange, with the names of RFC 5802. HELLO, CHALLENGE, AUTHENTICATE and WELCOME carry its messages.
type scramAttempt struct {
	scramAuth
	channel     []byte // channel binding data; nil without binding
	clientNonce string
	nonce       string // nonce of both sides: the client's, extended by the router
	verifier    []byte // signature by which the router proves that it has the keys
}

func (a *scramAttempt) Extra() map[string]any {
	return map[string]any{"nonce": a.clientNonce, "channel_binding": a.kind()}
}

// kind returns the channel_binding of the messages: null without binding.
func (a *scramAttempt) kind() any {
	if a.binding == "" {
		return nil
	}
	return a.binding
}

// gs2 returns the content of "c=": the GS2 header and the channel binding data.
func (a *scramAttempt) gs2() []byte {
	if a.binding == "" {
		return []byte("n,,")
	}
	return append([]byte("p="+a.binding+",,"), a.channel...)
}

func (a *scramAttempt) AnswerExtra() map[string]any {
	extra := map[string]any{"nonce": a.nonce, "channel_binding": a.kind(), "cbind_data": nil}
	if a.binding != "" {
		extra["cbind_data"] = base64.StdEncoding.EncodeToString(a.channel)
	}
	return extra
}

func (a *scramAttempt) Answer(c Challenge) (string, error) {
	proof, err := a.answer(c.Extra)
	if err != nil {
		return "", fmt.Errorf("scram: %w", err)
	}
	return base64.StdEncoding.EncodeToString(proof), nil
}

func (a *scramAttempt) answer(extra codec.Dict) ([]byte, error) {
	nonce, _ := field(extra, "nonce").Text()
	a.nonce = string(nonce)
	if !strings.HasPrefix(a.nonce, a.clientNonce) || len(a.nonce) == len(a.clientNonce) {
		return nil, errors.New("the router's nonce does not extend the client's")
	}
	cost, err := readCost(extra)
	if err != nil {
		return nil, err
	}
	salted, err := cost.saltedPassword(a.password)
	if err != nil {
		return nil, err
	}
	name, err := saslprep.Prepare(a.authid)
	if err != nil {
		return nil, fmt.Errorf("normalize authid: %w", err)
	}
	message := "n=" + escapeName.Replace(name) + ",r=" + a.clientNonce +
		",r=" + a.nonce + ",s=" + base64.StdEncoding.EncodeToString(cost.salt) + ",i=" + strconv.Itoa(cost.iterations) +
		",c=" + base64.StdEncoding.EncodeToString(a.gs2()) + ",r=" + a.nonce
	a.verifier = hmac256(hmac256(salted, "Server Key"), message)
	clientKey := hmac256(salted, "Client Key")
	storedKey := sha256.Sum256(clientKey)
	proof := hmac256(storedKey[:], message)
	subtle.XORBytes(proof, proof, clientKey)
	return proof, nil
}

var escapeName = strings.NewReplacer(",", "=2C", "=", "=3D")

// check verifies the router's signature. A router without it may be an impostor.
func (a *scramAttempt) check(welcome codec.Dict) error {
	extra, _ := field(welcome, "authextra").Dict()
	text, _ := field(extra, "verifier").Text()
	verifier, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(string(text), "v="))
	if err != nil || !hmac.Equal(verifier, a.verifier) {
		return errors.New("scram: the router did not prove that it has the keys of the password")
	}
	return nil
}

// cost holds the router's parameters for deriving a key from the password.
type cost struct {
	kdf                string
	salt               []byte
	iterations, memory int // memory in KiB
}

// Limits of this client: 256 MiB, and some seconds on the smallest boards.
const (
	maxArgon2Iterations = 64
	maxArgon2Memory     = 256 << 10
)

func readCost(extra codec.Dict) (c cost, err error) {
	kdf, _ := field(extra, "kdf").Text()
	salt, _ := field(extra, "salt").Text()
	iterations, _ := field(extra, "iterations").Uint()
	memory, _ := field(extra, "memory").Uint()
	if c.salt, err = base64.StdEncoding.DecodeString(string(salt)); err != nil || len(salt) == 0 {
		return c, errors.New("the router's salt is not base64")
	}
	most, needs := uint64(maxIterations), uint64(0)
	switch c.kdf = string(kdf); c.kdf {
	case "argon2id13", "argon2id-13":
		most, needs = maxArgon2Iterations, 8 // the minimum of Argon2
	case "pbkdf2":
		memory = 0
	default:
		return c, fmt.Errorf("the router asks for unknown key derivation %.40q", kdf)
	}
	if iterations-1 >= most || memory > maxArgon2Memory || memory < needs {
		return c, fmt.Errorf("the router asks for %s with %d iterations and %d KiB", kdf, iterations, memory)
	}
	c.iterations, c.memory = int(iterations), int(memory)
	return c, nil
}

// deriving is held while a key is derived. Each derivation may need 256 MiB, and a process may have many clients.
var deriving sync.Mutex

func (c cost) saltedPassword(password string) ([]byte, error) {
	deriving.Lock()
	defer deriving.Unlock()
	if c.kdf == "argon2id-13" { // earlier draft, used by Crossbar.io: no SASLprep, and the key is the hash in base64
		return base64.RawStdEncoding.AppendEncode(nil, c.argon2(password)), nil
	}
	normal, err := saslprep.Prepare(password)
	if err != nil {
		return nil, fmt.Errorf("normalize password: %w", err)
	}
	if c.kdf == "pbkdf2" {
		return pbkdf2.Key(sha256.New, normal, c.salt, c.iterations, sha256.Size)
	}
	return c.argon2(normal), nil
}

func (c cost) argon2(password string) []byte {
	return argon2.IDKey([]byte(password), c.salt, uint32(c.iterations), uint32(c.memory), 1, sha256.Size)
}

func hmac256(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
