package guest

import (
	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Attempt is one attempt of a peer to join, for a guest that has no client and encodes the messages itself.
type Attempt struct{ methods []client.Auth }

// Begin starts an attempt.
func (p Peer) Begin() (a Attempt, err error) {
	a.methods = p.methods()
	for i, m := range a.methods {
		if again, ok := m.(interface {
			Attempt(*wamp.Transport) (client.Auth, error)
		}); ok && err == nil {
			a.methods[i], err = again.Attempt(&p.Transport)
		}
	}
	return a, err
}

// Hello returns authmethods and authextra of HELLO.Details.
func (a Attempt) Hello() (methods []string, extra map[string]any) {
	for _, m := range a.methods {
		methods = append(methods, m.Method())
		for key, value := range m.Extra() {
			if extra == nil {
				extra = map[string]any{}
			}
			extra[key] = value
		}
	}
	return methods, extra
}

// Answer returns signature and extra of AUTHENTICATE. It may take seconds, and much memory, if the principal's password is
// derived by Argon2.
func (a Attempt) Answer(method string, details codec.Dict) (signature string, extra map[string]any, err error) {
	for _, m := range a.methods {
		if m.Method() != method {
			continue
		}
		signature, err = m.Answer(client.Challenge{Method: method, Extra: details})
		if s, ok := m.(interface{ AnswerExtra() map[string]any }); ok {
			extra = s.AnswerExtra()
		}
		return signature, extra, err
	}
	return "", nil, wamp.NoMatchingAuthMethod
}
