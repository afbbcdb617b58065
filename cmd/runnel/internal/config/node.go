package config

import (
	"path/filepath"
	"reflect"
	"strings"
	"unicode"

	"runnel/cmd/runnel/internal/config/values"
	"runnel/edge/wamp"
)

// nodeMark is replaced by the node's id in uplinks and serial lines, so that a fleet can share one configuration.
const nodeMark = "{node}"

// longestID bounds a node's id, in bytes.
const longestID = 128

// nodeID checks the id, and reads it from the environment or from a file: "env:NAME" or "file:PATH".
func (k checker) nodeID() {
	n := &k.c.Node
	id, from := n.ID, ""
	kind, name, _ := strings.Cut(n.ID, ":")
	var err error
	if kind == "env" || kind == "file" {
		from = n.ID + " holds "
		id, err = values.NewSecret(filepath.Dir(n.Place.File), n.ID).Value()
		id = strings.TrimFunc(id, func(r rune) bool { return unicode.IsSpace(r) || r == 0 }) // strings of the device tree end with NUL
	}
	switch {
	case err != nil && kind == "env":
		k.Add(n.Place, "id", "%v; set it, in a service with Environment=%s=...", err, name)
	case err != nil:
		k.Add(n.Place, "id", "%v; write the id into that file, or use another one", err)
	case id == "" && from != "":
		k.Add(n.Place, "id", "%sno id; write the id there", from)
	case id != "" && !validID(id) && from != "":
		k.Add(n.Place, "id", "%s%.40q, which is not a valid id; "+idRemedy, from, id)
	case id != "" && !validID(id):
		k.Add(n.Place, "id", "%.40q is not a valid id; "+idRemedy, id)
	default:
		n.ID = id
		return
	}
	n.ID = "unnamed" // a valid id, so that no other check reports it
}

const idRemedy = "use at most 128 letters, digits, \"-\" and \"_\""

// validID reports whether an id can be a part of topics and of logs.
func validID(id string) bool {
	return len(id) <= longestID && wamp.ValidURI(id, wamp.Exact, false) && !strings.ContainsFunc(id, unicode.IsControl)
}

// expandNode replaces {node} with the node's id.
func (c *Config) expandNode() {
	replace := strings.NewReplacer(nodeMark, c.NodeID())
	for i := range c.Uplinks {
		expand(reflect.ValueOf(&c.Uplinks[i]).Elem(), replace)
	}
	for i := range c.Serials {
		s := &c.Serials[i]
		s.Topic, s.Write = replace.Replace(s.Topic), replace.Replace(s.Write)
		for j := range s.Modbus {
			r := &s.Modbus[j]
			r.Topic, r.Write = replace.Replace(r.Topic), replace.Replace(r.Write)
		}
	}
}

var placeType = reflect.TypeFor[Place]()

var secretType = reflect.TypeFor[Secret]()

// expand applies replace to every string of a table and its subtables.
func expand(v reflect.Value, replace *strings.Replacer) {
	switch {
	case v.Type() == placeType || !v.CanSet():
	case v.Type() == secretType:
		v.Addr().Interface().(*Secret).Replace(replace)
	case v.Kind() == reflect.String:
		v.SetString(replace.Replace(v.String()))
	case v.Kind() == reflect.Pointer && !v.IsNil():
		expand(v.Elem(), replace)
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			expand(v.Index(i), replace)
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			expand(v.Field(i), replace)
		}
	}
}
