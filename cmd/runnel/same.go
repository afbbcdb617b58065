package main

import (
	"crypto/sha256"
	"io"
	"os"
	"reflect"
)

// same reports whether two parts of a configuration say the same, wherever they stand in their files.
func same[T any](a, b T) bool { return sameValues(reflect.ValueOf(a), reflect.ValueOf(b)) }

func sameValues(a, b reflect.Value) bool {
	if a.Type() == placeType {
		return true
	}
	switch a.Kind() {
	case reflect.Struct:
		for i := range a.NumField() {
			if !sameValues(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Slice:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !sameValues(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Map:
		for _, key := range a.MapKeys() {
			if v := b.MapIndex(key); !v.IsValid() || !sameValues(a.MapIndex(key), v) {
				return false
			}
		}
		return a.Len() == b.Len()
	case reflect.Pointer:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		return sameValues(a.Elem(), b.Elem())
	}
	return a.Equal(b)
}

// digest tells whether files and secrets that a configuration names have changed.
type digest [sha256.Size]byte

// files are those that a listener reads when it is opened only: it looks after its certificate itself.
func (l Listen) files() digest { return digestOf(nil, l.ClientCA) }

func (u Uplink) files() digest {
	return digestOf([]Secret{u.Ticket, u.Secret, u.Password}, u.Key, u.CA)
}

func digestOf(secrets []Secret, files ...Path) (d digest) {
	h := sha256.New()
	for _, s := range secrets {
		value, _ := s.Value() // one that can't be read is told of when it is used
		one := sha256.Sum256([]byte(value))
		h.Write(one[:])
	}
	for _, name := range files {
		one := sha256.New()
		if f, err := os.Open(string(name)); err == nil {
			io.Copy(one, f)
			f.Close()
		}
		h.Write(one.Sum(nil))
	}
	h.Sum(d[:0])
	return d
}
