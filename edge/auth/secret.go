package auth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// Secret is a text that must not be logged: it prints as "secret". Convert it to a string to use it.
type Secret string

const hidden = "secret"

func (s Secret) String() string               { return hidden }
func (s Secret) GoString() string             { return hidden }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(hidden) }
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// Octets are binary data, written in base64 in a configuration.
type Octets []byte

// UnmarshalText decodes base64 in the standard alphabet, with padding.
func (o *Octets) UnmarshalText(text []byte) error {
	b, err := decode64(string(text))
	if err != nil {
		return err
	}
	*o = b
	return nil
}

// MarshalText encodes base64.
func (o Octets) MarshalText() ([]byte, error) { return base64.StdEncoding.AppendEncode(nil, o), nil }

// String returns the octets in base64.
func (o Octets) String() string { return base64.StdEncoding.EncodeToString(o) }

// decode64 decodes base64 in its canonical form only: one text for each value, and no white space.
func decode64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("line breaks in base64")
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("decode base64: %w", err)
	}
	return b, nil
}
