package auth

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const sshType = "ssh-ed25519"

// ParseKey reads a public key for WAMP-Cryptosign. It accepts 64 hex digits, base64, an OpenSSH line ("ssh-ed25519
// AAAA...", with or without options and comment), and PEM as written by "openssl pkey -pubout".
func ParseKey(text string) (ed25519.PublicKey, error) {
	text = strings.TrimSpace(text)
	if block, _ := pem.Decode([]byte(text)); block != nil {
		return parsePEM(block)
	}
	words := strings.Fields(text)
	if i := slices.Index(words, sshType); i >= 0 && i+1 < len(words) {
		return parseSSH(words[i+1])
	}
	if len(words) > 1 {
		return nil, fmt.Errorf("the key is not of type %s", sshType)
	}
	key, err := hex.DecodeString(text)
	if err != nil {
		key, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	}
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("the key is neither %d bytes in hex or base64, nor an OpenSSH key", ed25519.PublicKeySize)
	}
	return key, nil
}

// parseSSH reads the two strings of an OpenSSH key, each preceded by its length (RFC 8709).
func parseSSH(text string) (ed25519.PublicKey, error) {
	blob, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("decode OpenSSH key: %w", err)
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(len(sshType)))
	head = append(head, sshType...)
	head = binary.BigEndian.AppendUint32(head, ed25519.PublicKeySize)
	key, ok := bytes.CutPrefix(blob, head)
	if !ok || len(key) != ed25519.PublicKeySize {
		return nil, errors.New("decode OpenSSH key: not an Ed25519 key")
	}
	return key, nil
}

func parsePEM(block *pem.Block) (ed25519.PublicKey, error) {
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", block.Type, err)
	}
	public, ok := key.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("the key is %T, not Ed25519", key)
	}
	return public, nil
}
