package conn

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Login holds the client's credentials. The zero value has none.
type Login struct {
	User, Password string
	Token          string
	JWT            string             // of a user, for servers with operators and accounts
	Key            ed25519.PrivateKey // signs the server's nonce; its public key is shown if there is no JWT
}

// maxCredentials bounds a file of credentials or a seed, in bytes.
const maxCredentials = 64 << 10

// ReadCredentials reads a creds file: the JWT of a user and its seed. Read the file for each connection, because it may
// change while the program runs.
func ReadCredentials(file string) (l Login, err error) {
	text, err := readSecret(file)
	if err == nil {
		l, err = ParseCredentials(text)
	}
	if err != nil {
		err = fmt.Errorf("read credentials %s: %w", file, err)
	}
	return l, err
}

// ParseCredentials parses the text of a creds file, as "nsc generate creds" writes it.
func ParseCredentials(text []byte) (l Login, err error) {
	l.JWT = section(text, "NATS USER JWT")
	seed := section(text, "USER NKEY SEED")
	if l.JWT == "" || seed == "" {
		return Login{}, errors.New("the file does not hold a user's JWT and seed; write it with nsc generate creds")
	}
	if strings.Count(l.JWT, ".") != 2 {
		return Login{}, errors.New("the JWT is damaged")
	}
	l.Key, err = ParseSeed([]byte(seed))
	return l, err
}

// section returns the text between the BEGIN and END lines of a name, without white space; "" if it is missing.
func section(text []byte, name string) string {
	_, rest, ok := bytes.Cut(text, []byte("BEGIN "+name+"-"))
	rest, _, ends := bytes.Cut(rest, []byte("-END "+name))
	_, rest, lines := bytes.Cut(rest, []byte("\n"))
	if !ok || !ends || !lines {
		return ""
	}
	body, _, _ := bytes.Cut(rest, []byte("\n--"))
	return string(bytes.Join(bytes.Fields(body), nil))
}

// ReadSeed reads a file with the seed of a user's nkey.
func ReadSeed(file string) (l Login, err error) {
	text, err := readSecret(file)
	if err == nil {
		l.Key, err = ParseSeed(text)
	}
	if err != nil {
		err = fmt.Errorf("read nkey %s: %w", file, err)
	}
	return l, err
}

func readSecret(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	defer f.Close()
	text := make([]byte, maxCredentials)
	n, err := f.Read(text)
	if n == len(text) {
		return nil, errors.New("the file is too long")
	}
	if n == 0 {
		return nil, fmt.Errorf("the file is empty or unreadable (%w)", err)
	}
	return text[:n], nil
}

// Prefixes of nkeys: in base32 they are the first letters. A seed has two: its own and that of the key's kind.
const (
	prefixSeed = 18 << 3 // S
	prefixUser = 20 << 3 // U
)

var nkeyEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// ParseSeed parses the seed of a user's nkey, such as SUA...; comments and a creds file around it are ignored.
func ParseSeed(text []byte) (ed25519.PrivateKey, error) {
	if s := section(text, "USER NKEY SEED"); s != "" {
		text = []byte(s)
	}
	var seed []byte
	for _, line := range bytes.Split(text, []byte("\n")) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			seed = line
			break
		}
	}
	raw := make([]byte, nkeyEncoding.DecodedLen(len(seed)))
	n, err := nkeyEncoding.Decode(raw, seed)
	raw = raw[:n]
	switch {
	case err != nil || len(raw) != 2+ed25519.SeedSize+2:
		return nil, errors.New("the text is not the seed of an nkey; a user's seed begins with SU")
	case crc16(raw[:len(raw)-2]) != uint16(raw[len(raw)-2])|uint16(raw[len(raw)-1])<<8:
		return nil, errors.New("the seed of the nkey is damaged: wrong checksum")
	case raw[0]&0xf8 != prefixSeed || raw[0]&7<<5|raw[1]&0xf8>>3 != prefixUser:
		return nil, errors.New("the nkey is not the seed of a user; a user's seed begins with SU")
	}
	return ed25519.NewKeyFromSeed(raw[2 : len(raw)-2]), nil
}

// PublicKey returns the nkey of a user's public key: U...
func PublicKey(key ed25519.PrivateKey) string {
	raw := append([]byte{prefixUser}, key.Public().(ed25519.PublicKey)...)
	sum := crc16(raw)
	return nkeyEncoding.EncodeToString(append(raw, byte(sum), byte(sum>>8)))
}

// crc16 returns the checksum of nkeys: CRC-16/XMODEM.
func crc16(data []byte) (crc uint16) {
	for _, b := range data {
		crc ^= uint16(b) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}

// sign adds the credentials to CONNECT.
func (l *Login) sign(c *connect, nonce string) error {
	c.User, c.Pass, c.Token, c.JWT = l.User, l.Password, l.Token, l.JWT
	if l.Key == nil {
		return nil
	}
	if nonce == "" {
		return errors.New("the server accepts no nkeys and no creds: its INFO has no nonce")
	}
	if l.JWT == "" {
		c.NKey = PublicKey(l.Key)
	}
	c.Signature = base64.RawURLEncoding.EncodeToString(ed25519.Sign(l.Key, []byte(nonce)))
	return nil
}
