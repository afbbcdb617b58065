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

// longestID bounds an id that comes from a file or from the environment.
const longestID = 128

// nodeID reads an id from the environment or from a file: "env:NAME" or "file:PATH".
func (k checker) nodeID() {
	n := &k.c.Node
	kind, name, _ := strings.Cut(n.ID, ":")
	if kind != "env" && kind != "file" {
		return
	}
	text, err := values.NewSecret(filepath.Dir(n.Place.File), n.ID).Value()
	id := strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == 0 }) // strings of the device tree end with NUL
	switch {
	case err != nil && kind == "env":
		k.Add(n.Place, "id", "%v; set it, in a service with Environment=%s=...", err, name)
	case err != nil:
		k.Add(n.Place, "id", "%v; write the id into that file, or use another one", err)
	case id == "":
		k.Add(n.Place, "id", "%s holds no id; write the id there", n.ID)
	case len(id) > longestID || !wamp.ValidURI(id, wamp.Exact, false) || strings.ContainsFunc(id, unicode.IsControl):
		k.Add(n.Place, "id", "%s holds %.40q, which is not a valid id; use letters, digits, \"-\" and \"_\"", n.ID, id)
	default:
		n.ID = id
		return
	}
	n.ID = "unnamed" // a valid id, so that no other check reports it
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
