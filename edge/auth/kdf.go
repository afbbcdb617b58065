package auth

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"golang.org/x/crypto/argon2"

	"runnel/edge/saslprep"
)

// Key derivation functions of WAMP-SCRAM.
const (
	kdfArgon2      = "argon2id13"
	kdfArgon2Draft = "argon2id-13"
	kdfPBKDF2      = "pbkdf2"
)

// Defaults for new keys. The client, perhaps a small board, does this work at every join. Argon2id with 19 MiB is
// OWASP's minimum; PBKDF2 is well above the 4096 rounds of RFC 7677.
const (
	argon2Iterations = 2
	argon2Memory     = 19 << 10
	pbkdf2Iterations = 100_000
)

// Limits of the cost of one join for the client.
const (
	maxArgon2Iterations = 10_000
	maxArgon2Memory     = 1 << 20 // 1 GiB
	minArgon2Memory     = 8       // minimum of Argon2
	maxPBKDF2Iterations = 10_000_000
)

// NewSCRAM returns the keys of a password, with a random salt. kdf is "argon2id13", "pbkdf2" or "argon2id-13" (for
// clients that use Autobahn for Python). iterations and memory, in KiB, of 0 mean the defaults.
func NewSCRAM(password, kdf string, iterations, memory int) (SCRAM, error) {
	s := SCRAM{KDF: kdf, Salt: random(16), Iterations: iterations, Memory: memory}
	s.setDefaults()
	if err := s.checkCost(); err != nil {
		return SCRAM{}, err
	}
	if err := s.derive(password); err != nil {
		return SCRAM{}, err
	}
	return s, nil
}

func (s *SCRAM) setDefaults() {
	argon := s.KDF != kdfPBKDF2
	if s.Iterations == 0 && argon {
		s.Iterations = argon2Iterations
	}
	if s.Iterations == 0 {
		s.Iterations = pbkdf2Iterations
	}
	if s.Memory == 0 && argon {
		s.Memory = argon2Memory
	}
}

func (s *SCRAM) checkCost() error {
	most := maxArgon2Iterations
	switch s.KDF {
	case kdfArgon2, kdfArgon2Draft:
		if s.Memory < minArgon2Memory || s.Memory > maxArgon2Memory {
			return fmt.Errorf("%s with %d KiB of memory; the range is %d to %d", s.KDF, s.Memory, minArgon2Memory, maxArgon2Memory)
		}
	case kdfPBKDF2:
		if most = maxPBKDF2Iterations; s.Memory != 0 {
			return fmt.Errorf("%s does not use memory", s.KDF)
		}
	default:
		return fmt.Errorf("unknown kdf %q; use %s, %s or %s", s.KDF, kdfArgon2, kdfPBKDF2, kdfArgon2Draft)
	}
	if s.Iterations < 1 || s.Iterations > most {
		return fmt.Errorf("%s with %d iterations; the range is 1 to %d", s.KDF, s.Iterations, most)
	}
	return nil
}

// derive sets StoredKey and ServerKey.
func (s *SCRAM) derive(password string) error {
	salted, err := s.saltedPassword(password)
	if err != nil {
		return err
	}
	storedKey := sha256.Sum256(hmac256(salted, "Client Key"))
	s.StoredKey, s.ServerKey = storedKey[:], hmac256(salted, "Server Key")
	return nil
}

func (s *SCRAM) saltedPassword(password string) ([]byte, error) {
	if password == "" {
		return nil, errors.New("the password is empty")
	}
	if s.KDF == kdfArgon2Draft { // no SASLprep, and the key is the hash in base64
		return base64.RawStdEncoding.AppendEncode(nil, s.argon2(password)), nil
	}
	normal, err := saslprep.Prepare(password)
	if err != nil {
		return nil, fmt.Errorf("normalize password: %w", err)
	}
	if s.KDF == kdfArgon2 {
		return s.argon2(normal), nil
	}
	key, err := pbkdf2.Key(sha256.New, normal, s.Salt, s.Iterations, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	return key, nil
}

// argon2 uses one lane, as the specification requires.
func (s *SCRAM) argon2(password string) []byte {
	return argon2.IDKey([]byte(password), s.Salt, uint32(s.Iterations), uint32(s.Memory), 1, sha256.Size)
}
