package config

import (
	"path/filepath"
	"reflect"
	"strings"
	"unicode"

	"runnel/edge/wamp"
)

// nodeMark stands for the node's id in strings of uplinks and in topics of serial lines, so that a fleet can have one
// configuration.
const nodeMark = "{node}"

// longestID bounds an id that comes from a file or from the environment.
const longestID = 128

// nodeID reads an id that stands elsewhere: "env:NAME" or "file:PATH".
func (k checker) nodeID() {
	n := &k.c.Node
	kind, name, _ := strings.Cut(n.ID, ":")
	if kind != "env" && kind != "file" {
		return
	}
	text, err := Secret{n.ID, filepath.Dir(n.Place.File)}.Value()
	id := strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == 0 }) // the device tree ends texts with NUL
	switch {
	case err != nil && kind == "env":
		k.add(n.Place, "id", "%v; set it, in a service with Environment=%s=...", err, name)
	case err != nil:
		k.add(n.Place, "id", "%v; write the id into that file, or name another one", err)
	case id == "":
		k.add(n.Place, "id", "%s holds no id; write the id there", n.ID)
	case len(id) > longestID || !wamp.ValidURI(id, wamp.Exact, false) || strings.ContainsFunc(id, unicode.IsControl):
		k.add(n.Place, "id", "%s holds %.40q, which is no id; write letters, digits, \"-\" and \"_\"", n.ID, id)
	default:
		n.ID = id
		return
	}
	n.ID = "unnamed" // so that nothing else is said of it
}

// expandNode puts the node's id in place of {node}.
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

var secretType = reflect.TypeFor[Secret]()

// expand replaces in every string of a table and of the tables in it.
func expand(v reflect.Value, replace *strings.Replacer) {
	switch {
	case v.Type() == placeType || !v.CanSet():
	case v.Type() == secretType:
		s := v.Addr().Interface().(*Secret)
		s.text = replace.Replace(s.text)
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
