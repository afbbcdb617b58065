package main

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
	"path/filepath"
	"strings"

	"runnel/cmd/runnel/internal/term"

	"github.com/spf13/cobra"
)

func keygenCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "keygen [FILE]",
		Short: "Make a key for the method cryptosign",
		Long: `Makes an Ed25519 key and writes it into FILE (runnel.key), for --key and for an
uplink's key. Only its owner may read it. An existing file is not replaced.
The public half is printed, as a line for a principal's authorized_keys.`,
		Example: `  runnel keygen pump-7.key
  runnel call com.example.add 2 3 --authid pump-7 --key pump-7.key`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			file := "runnel.key"
			if len(args) > 0 {
				file = args[0]
			}
			return keygen(file)
		},
	}
}

func keygen(file string) error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	if err := writeNew(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})); err != nil {
		return err
	}
	_, err = fmt.Fprintln(term.Stdout, authorizedKey(public, strings.TrimSuffix(filepath.Base(file), ".key")))
	return err
}

// writeNew creates a file that only its owner may read. A file of this name is an error.
func writeNew(file string, data []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("write key %s: the file exists; choose another name, or remove it", file)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// authorizedKey writes a public key as OpenSSH does (RFC 8709).
func authorizedKey(key ed25519.PublicKey, comment string) string {
	var blob []byte
	for _, part := range [][]byte{[]byte("ssh-ed25519"), key} {
		blob = append(binary.BigEndian.AppendUint32(blob, uint32(len(part))), part...)
	}
	return "ssh-ed25519 " + base64.StdEncoding.EncodeToString(blob) + " " + comment
}
