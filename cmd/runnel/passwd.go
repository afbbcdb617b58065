package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/cli"
	"runnel/cmd/runnel/internal/term"
	"runnel/edge/auth"
)

// passwords holds the flags of "runnel passwd".
type passwords struct {
	kdf                string
	wampcra            bool
	iterations, memory int
	role               string
}

func passwdCommand() *cobra.Command {
	var p passwords
	cmd := &cobra.Command{
		Use:   "passwd [AUTHID]",
		Short: "Derive a principal's keys from a password",
		Long: `Asks for a password, twice and without showing it, or reads it from standard
input if that is no terminal. Prints the key with which a principal of the config
authenticates by wamp-scram, or by wampcra. The key does not contain the password.
With AUTHID it prints the whole principal. The client gives the password as --secret,
or as an uplink's secret.

A thief cannot log in with the key for wamp-scram, but can with the key for wampcra:
keep that one as secret as the password.`,
		Example: `  runnel passwd pump-7 --role sensor >> gateway.toml
  runnel passwd --kdf pbkdf2 < password
  runnel passwd --wampcra pump-7`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return p.run(strings.Join(args, "")) },
	}
	f := cmd.Flags()
	f.StringVar(&p.kdf, "kdf", "argon2id13", "how to derive the key from the password: argon2id13, pbkdf2, or argon2id-13 for clients made with Autobahn")
	f.BoolVar(&p.wampcra, "wampcra", false, "for the method wampcra instead of wamp-scram")
	f.IntVar(&p.iterations, "iterations", 0, "`NUMBER` of rounds (default: depends on the method)")
	f.IntVar(&p.memory, "memory", 0, "`KIB` of memory for argon2id13 (default 19456)")
	f.StringVar(&p.role, "role", "", "`NAME` of the principal's role")
	return cmd
}

func (p *passwords) run(authid string) error {
	password, err := term.ReadPassword(os.Stdin, os.Stderr)
	if err != nil {
		return err
	}
	line, err := p.line(password)
	if err != nil {
		return cli.UsageError(err.Error())
	}
	if authid != "" {
		role := p.role
		if role == "" {
			role = "FILL IN"
		}
		line = fmt.Sprintf("[[realm.principal]]\nauthid = %s\nrole = %s\n%s", quoted(authid), quoted(role), line)
	}
	_, err = fmt.Fprintln(term.Stdout, line)
	return err
}

// line returns the key of the principal's table.
func (p *passwords) line(password string) (string, error) {
	if p.wampcra {
		c, err := auth.DeriveCRA(password, "", p.iterations, 0)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("wampcra = { secret = %s, salt = %s, iterations = %d, keylen = %d }",
			quoted(string(c.Secret)), quoted(c.Salt), c.Iterations, c.KeyLen), nil
	}
	s, err := auth.NewSCRAM(password, p.kdf, p.iterations, p.memory)
	if err != nil {
		return "", err
	}
	memory := ""
	if s.Memory > 0 {
		memory = fmt.Sprintf("memory = %d, ", s.Memory)
	}
	return fmt.Sprintf("scram = { kdf = %s, salt = %s, iterations = %d, %sstored_key = %s, server_key = %s }",
		quoted(s.KDF), quoted(s.Salt.String()), s.Iterations, memory, quoted(s.StoredKey.String()), quoted(s.ServerKey.String())), nil
}

// quoted writes a TOML string. Every JSON string is one.
func quoted(text string) string {
	b, _ := json.Marshal(text) // a string: it cannot fail
	return string(b)
}
