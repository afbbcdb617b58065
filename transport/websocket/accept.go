package websocket

import (
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"runnel/transport/subprotocol"
)

// Accept upgrades a request to a WebSocket. The caller has checked the request's origin. On failure Accept answers the
// request before it returns the error. The Conn outlives the handler that calls Accept.
func Accept(w http.ResponseWriter, r *http.Request, o Options) (*Conn, error) {
	p, ok := choose(r.Header.Values("Sec-WebSocket-Protocol"))
	status, err := checkUpgrade(w, r)
	if !ok && r.Header.Get("Upgrade") != "" {
		status, err = http.StatusBadRequest, fmt.Errorf("no common subprotocol: the client requested %q, the router supports %s",
			strings.Join(r.Header.Values("Sec-WebSocket-Protocol"), ", "), strings.Join(subprotocol.Names(), ", "))
	}
	if err != nil {
		http.Error(w, err.Error(), status)
		return nil, fmt.Errorf("websocket handshake: %w", err)
	}
	deflate := ""
	if o.Compress {
		deflate = acceptDeflate(extensions(r.Header))
	}
	h := w.Header()
	h.Set("Upgrade", "websocket")
	h.Set("Connection", "Upgrade")
	h.Set("Sec-WebSocket-Accept", acceptKey(r.Header.Get("Sec-WebSocket-Key")))
	h.Set("Sec-WebSocket-Protocol", p.String())
	if deflate != "" {
		h.Set("Sec-WebSocket-Extensions", deflate)
	}
	w.WriteHeader(http.StatusSwitchingProtocols)
	conn, b, err := http.NewResponseController(w).Hijack() // sends the answer
	if err != nil {
		return nil, fmt.Errorf("websocket handshake: %w", err)
	}
	head, _ := b.Reader.Peek(b.Reader.Buffered()) // cannot fail: it reads nothing
	return newConn(newSocket(conn, head), p, o, false, deflate != ""), nil
}

// checkUpgrade checks the request of a handshake (RFC 6455, 4.2.1). It returns the status for the answer to an invalid one, and
// sets the headers that belong to it.
func checkUpgrade(w http.ResponseWriter, r *http.Request) (status int, err error) {
	h := r.Header
	switch {
	case !r.ProtoAtLeast(1, 1) || !hasToken(h, "Connection", "Upgrade") || !hasToken(h, "Upgrade", "websocket"):
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		return http.StatusUpgradeRequired, errors.New("not a WebSocket request: it takes HTTP/1.1, \"Connection: Upgrade\" and \"Upgrade: websocket\"")
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		return http.StatusMethodNotAllowed, fmt.Errorf("the method of a WebSocket request is GET, not %.20q", r.Method)
	case h.Get("Sec-WebSocket-Version") != "13":
		w.Header().Set("Sec-WebSocket-Version", "13")
		return http.StatusBadRequest, fmt.Errorf("unsupported version of WebSocket: %.20q; the router supports 13", h.Get("Sec-WebSocket-Version"))
	}
	keys := h.Values("Sec-WebSocket-Key")
	if len(keys) == 1 {
		if key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(keys[0])); err == nil && len(key) == keySize {
			return 0, nil
		}
	}
	return http.StatusBadRequest, errors.New("invalid Sec-WebSocket-Key: a request has one, of 16 bytes in Base64")
}

// keySize is the length of a handshake's key in bytes (RFC 6455, 4.1).
const keySize = 16

// acceptKey returns the answer to a handshake's key (RFC 6455, 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(strings.TrimSpace(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// tokens returns the elements of a header that is a list.
func tokens(h http.Header, name string) (list []string) {
	for _, value := range h.Values(name) {
		for _, token := range strings.Split(value, ",") {
			if token = strings.TrimSpace(token); token != "" {
				list = append(list, token)
			}
		}
	}
	return list
}

// hasToken reports whether a header that is a list has an element, in letters of either case.
func hasToken(h http.Header, name, want string) bool {
	for _, token := range tokens(h, name) {
		if strings.EqualFold(token, want) {
			return true
		}
	}
	return false
}
