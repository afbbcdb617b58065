package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"runnel/edge/saslprep"
)

// SCRAM holds the data that the router stores for a password of WAMP-SCRAM (advanced/authentication_scram.md, "Data
// Stored on the Server"). It is not enough to join, but enough to check guesses of the password. NewSCRAM makes it.
type SCRAM struct {
	KDF        string // "argon2id13", "pbkdf2", or "argon2id-13" as derived by Autobahn and Crossbar.io
	Salt       Octets
	Iterations int
	Memory     int // in KiB; Argon2id only
	StoredKey  Octets
	ServerKey  Octets
}

const maxSalt = 1024

func (s *SCRAM) check() error {
	if err := s.checkCost(); err != nil {
		return err
	}
	if len(s.Salt) == 0 || len(s.Salt) > maxSalt {
		return fmt.Errorf("a salt of %d bytes; the range is 1 to %d", len(s.Salt), maxSalt)
	}
	if len(s.StoredKey) != sha256.Size {
		return fmt.Errorf("a stored key of %d bytes, not %d", len(s.StoredKey), sha256.Size)
	}
	if len(s.ServerKey) != sha256.Size {
		return fmt.Errorf("a server key of %d bytes, not %d", len(s.ServerKey), sha256.Size)
	}
	return nil
}

// scram is an exchange, with the names of RFC 5802. HELLO, CHALLENGE and AUTHENTICATE carry its messages.
type scram struct {
	record      SCRAM
	draft       bool   // method "scram"; see the package comment
	authid      string // as in HELLO
	clientNonce string
	nonce       string // nonce of both sides: the client's, extended by the router
	bindingKind string // "": no channel binding
	binding     []byte
}

func newSCRAM(a attempt, draft bool) (*scram, *Refused) {
	nonce, _ := a.Extra["nonce"].(string)
	if !isNonce(nonce) {
		return nil, malformed("scram: HELLO.Details.authextra.nonce is not base64")
	}
	s := &scram{record: *a.who.SCRAM, draft: draft, authid: a.Authid, clientNonce: nonce}
	if a.decoy != "" {
		s.record.Salt = a.salt(len(s.record.Salt))
	}
	s.nonce = nonce + base64.StdEncoding.EncodeToString(random(18))
	kind, err := bindingKind(a.Extra)
	if err != nil || kind == "" {
		return s, err
	}
	var ok bool
	if s.binding, ok = a.channelBinding(kind); !ok {
		return nil, malformed("scram: this connection has no channel binding %.40q", kind)
	}
	s.bindingKind = kind
	return s, nil
}

const maxNonce = 1024

// isNonce reports whether text is printable and has no comma, as RFC 5802 requires: commas separate the parts of
// AuthMessage. Base64 cannot be required: the nonce in the specification's own example is two base64 texts joined.
func isNonce(text string) bool {
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c > '~' || c == ',' {
			return false
		}
	}
	return text != "" && len(text) <= maxNonce
}

func (s *scram) challenge() map[string]any {
	extra := map[string]any{
		"nonce":      s.nonce,
		"salt":       s.record.Salt.String(),
		"kdf":        s.record.KDF,
		"iterations": s.record.Iterations,
	}
	switch {
	case s.record.Memory > 0:
		extra["memory"] = s.record.Memory
	case !s.draft: // Autobahn cannot read null here
		extra["memory"] = nil
	}
	return extra
}

func (s *scram) verify(signature string, extra map[string]any) (map[string]any, *Refused) {
	proof, err := decode64(signature)
	if err != nil || len(proof) != sha256.Size {
		return nil, malformed("scram: the signature is not %d octets in base64", sha256.Size)
	}
	if err := s.verifyExtra(extra); err != nil {
		return nil, err
	}
	for _, message := range s.authMessages() {
		if s.proves(proof, message) {
			return s.verifier(message), nil
		}
	}
	return nil, failed("wrong proof")
}

// verifyExtra checks that AUTHENTICATE.Extra repeats the nonce and the channel binding.
func (s *scram) verifyExtra(extra map[string]any) *Refused {
	nonce, ok := extra["nonce"].(string)
	if !ok && (!s.draft || extra["nonce"] != nil) {
		return malformed("scram: AUTHENTICATE.Extra has no nonce")
	}
	if ok && nonce != s.nonce {
		return malformed("scram: wrong nonce in AUTHENTICATE.Extra")
	}
	kind, err := bindingKind(extra)
	if err != nil {
		return err
	}
	if kind != s.bindingKind {
		return malformed("scram: the channel binding in AUTHENTICATE.Extra is not the one in HELLO")
	}
	return s.verifyBinding(extra["cbind_data"])
}

func (s *scram) verifyBinding(data any) *Refused {
	text, ok := data.(string)
	if s.bindingKind == "" {
		if data != nil && text != "" || data != nil && !ok {
			return malformed("scram: binding data without channel binding")
		}
		return nil
	}
	have, err := decode64(text)
	if !ok || err != nil {
		return malformed("scram: AUTHENTICATE.Extra.cbind_data is not base64")
	}
	if subtle.ConstantTimeCompare(have, s.binding) == 0 {
		return malformed("scram: the binding data does not match the connection")
	}
	return nil
}

// authMessages returns the AuthMessages that the client may have signed. The specification requires normalized authids,
// but its formula does not have them. The draft does not escape authids and omits the GS2 header.
func (s *scram) authMessages() []string {
	names := []string{s.authid}
	if normal, err := saslprep.Prepare(s.authid); err == nil && normal != s.authid {
		names = append(names, normal)
	}
	var list []string
	for _, name := range names {
		list = append(list, s.authMessage(escape.Replace(name), base64.StdEncoding.EncodeToString(s.gs2())))
		if s.draft && s.bindingKind == "" {
			list = append(list, s.authMessage(name, ""))
		}
	}
	return list
}

var escape = strings.NewReplacer(",", "=2C", "=", "=3D")

// gs2 returns the content of "c=": the GS2 header and the channel binding data.
func (s *scram) gs2() []byte {
	if s.bindingKind == "" {
		return []byte("n,,")
	}
	return append([]byte("p="+s.bindingKind+",,"), s.binding...)
}

// authMessage joins the first three messages of the exchange.
func (s *scram) authMessage(name, channel string) string {
	clientFirstBare := "n=" + name + ",r=" + s.clientNonce
	serverFirst := "r=" + s.nonce + ",s=" + s.record.Salt.String() + ",i=" + strconv.Itoa(s.record.Iterations)
	clientFinalNoProof := "c=" + channel + ",r=" + s.nonce
	return clientFirstBare + "," + serverFirst + "," + clientFinalNoProof
}

// proves reports whether the client that made the proof knows the client key, of which StoredKey is the hash.
func (s *scram) proves(proof []byte, message string) bool {
	clientKey := hmac256(s.record.StoredKey, message)
	subtle.XORBytes(clientKey, clientKey, proof)
	storedKey := sha256.Sum256(clientKey)
	return hmac.Equal(storedKey[:], s.record.StoredKey)
}

// verifier returns the signature that proves to the client that the router has its keys.
func (s *scram) verifier(message string) map[string]any {
	signature := base64.StdEncoding.EncodeToString(hmac256(s.record.ServerKey, message))
	extra := map[string]any{"verifier": "v=" + signature}
	if s.draft {
		extra["scram_server_signature"] = signature
	}
	return extra
}

// bindingKind reads channel_binding in HELLO.Details.authextra or AUTHENTICATE.Extra; "" if there is none.
func bindingKind(extra map[string]any) (string, *Refused) {
	switch kind := extra["channel_binding"].(type) {
	case nil:
		return "", nil
	case string:
		return kind, nil
	}
	return "", malformed("channel_binding is not a string")
}

// channelBinding returns the channel binding data of the peer's connection.
func (r *Request) channelBinding(kind string) (data []byte, ok bool) {
	if r.Transport == nil || r.Transport.ChannelBinding == nil {
		return nil, false
	}
	data, ok = r.Transport.ChannelBinding(kind)
	return data, ok && len(data) > 0
}
