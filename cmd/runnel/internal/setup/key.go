package setup

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"runnel/edge/client"
)

// openKey reads the Ed25519 key in a file, or creates both if the file does not exist. It never replaces a key: a centre may
// know the node by it.
func openKey(file string) (key ed25519.PrivateKey, made bool, err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = makeKey(file)
		return key, err == nil, err
	}
	if err != nil {
		return nil, false, err
	}
	if key, err = client.ParseKey(text); err != nil {
		err = fmt.Errorf("read key %s: %w; remove the file to create a new key", file, err)
	}
	return key, false, err
}

func makeKey(file string) (ed25519.PrivateKey, error) {
	private, text, err := generateKey()
	if err == nil {
		err = writeNew(file, text, 0o640)
	}
	if err != nil {
		return nil, fmt.Errorf("write key %s: %w%s", file, bare(err), asRoot(err))
	}
	return private, nil
}

// NewKey writes a new private key that only its owner can read, and returns the public key. It never replaces a file.
func NewKey(file string) (ed25519.PublicKey, error) {
	private, text, err := generateKey()
	if err != nil {
		return nil, fmt.Errorf("create key: %w", err)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("write key %s: the file exists; choose another name, or remove it", file)
	}
	if err != nil {
		return nil, fmt.Errorf("write key %s: %w%s", file, bare(err), withSudo(err, "name another file"))
	}
	_, err = f.Write(text)
	return publicKey(private), errors.Join(err, f.Sync(), f.Close())
}

// generateKey returns a new key and its PEM text.
func generateKey() (ed25519.PrivateKey, []byte, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return private, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// AuthorizedKey formats a public key as OpenSSH does (RFC 8709), for a principal's authorized_keys.
func AuthorizedKey(key ed25519.PublicKey, comment string) string {
	var blob []byte
	for _, part := range [][]byte{[]byte("ssh-ed25519"), key} {
		blob = append(binary.BigEndian.AppendUint32(blob, uint32(len(part))), part...)
	}
	return "ssh-ed25519 " + base64.StdEncoding.EncodeToString(blob) + " " + comment
}

func publicKey(key ed25519.PrivateKey) ed25519.PublicKey {
	return key.Public().(ed25519.PublicKey) // Public always returns this type
}
