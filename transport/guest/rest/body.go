package rest

import (
	"bytes"
	"net/url"
	"strconv"
	"strings"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// request is the content of a POST.
type request struct {
	uri     string
	payload codec.Payload
	options map[string]any
}

// parse makes a request from a body. If the path names the URI, the body is a list (arguments), a map (keyword
// arguments), or a map of args, kwargs and options. Otherwise it is a map of the third kind, with the URI under key.
func parse(body []byte, uri, key string) (*request, error) {
	p := &request{uri: uri}
	body = bytes.TrimSpace(body)
	value := codec.Value{Serializer: wamp.JSON, Raw: body}
	switch {
	case len(body) == 0 && uri != "":
		return p, nil
	case len(body) > 0 && body[0] == '[' && uri != "":
		p.payload = codec.Payload{Serializer: wamp.JSON, Items: 1, Raw: body}
		if _, _, err := p.payload.Split(); err != nil {
			return nil, invalid("the body is not JSON: %v", err)
		}
		return p, nil
	case len(body) == 0 || body[0] != '{':
		if uri == "" {
			return nil, invalid("the body must be a JSON object with %q, or the path must name the URI", key)
		}
		return nil, invalid("the body must be a JSON array (arguments) or object (keyword arguments)")
	}
	d := codec.Dict(value)
	if err := d.Check(); err != nil {
		return nil, invalid("the body is not JSON: %v", err)
	}
	if uri != "" && !isEnvelope(d) {
		p.payload, _ = codec.JoinPayload(codec.Value{}, value)
		return p, nil
	}
	return p, p.open(d, key)
}

// isEnvelope reports whether a map has args or kwargs and nothing but these and options.
func isEnvelope(d codec.Dict) bool {
	found := false
	for f := d.Fields(); f.Next(); {
		switch string(f.Key()) {
		case "args", "kwargs":
			found = true
		case "options":
		default:
			return false
		}
	}
	return found
}

// maxOptions is how many values the options in a body may contain.
const maxOptions = 1000

// open extracts the parts of a map.
func (p *request) open(d codec.Dict, key string) error {
	var args, kwargs codec.Value
	for f := d.Fields(); f.Next(); {
		v := f.Value()
		if v.IsNull() || isEmpty(v.Raw) {
			continue
		}
		switch name := string(f.Key()); name {
		case "args":
			args = v
		case "kwargs":
			kwargs = v
		case "options":
			options, ok := v.Dict()
			var err error
			if !ok {
				return invalid("options must be an object")
			}
			if p.options, err = options.MapUpTo(maxOptions); err != nil {
				return invalid("options: %v", err)
			}
		case key:
			text, ok := v.Text()
			if !ok || p.uri != "" {
				return invalid("%s must be a string, and the path must not name another", key)
			}
			p.uri = string(text)
		}
	}
	if p.uri == "" {
		return invalid("the body has no %q", key)
	}
	joined, ok := codec.JoinPayload(args, kwargs)
	if !ok {
		return invalid("args must be an array and kwargs an object")
	}
	p.payload = joined
	return nil
}

// isEmpty reports whether a value is an empty list or map. PHP writes an empty map as [].
func isEmpty(raw []byte) bool {
	return (raw[0] == '[' || raw[0] == '{') && len(bytes.TrimSpace(raw[1:len(raw)-1])) == 0
}

// kind is the type of an option.
type kind uint8

const (
	flag     kind = iota
	duration      // text with a unit, or milliseconds
	ids
	texts
)

// publishOptions and callOptions are the WAMP options that a request may have, with their kinds. The query may also
// have parameters for HTTP.
var publishOptions = map[string]kind{
	"acknowledge": flag, "retain": flag, "exclude_me": flag, "disclose_me": flag, "exclude": ids, "eligible": ids,
	"exclude_authid": texts, "eligible_authid": texts, "exclude_authrole": texts, "eligible_authrole": texts, "ttl": duration,
}

var callOptions = map[string]kind{"timeout": duration, "disclose_me": flag}

// settings returns the options of a request: those of its body and those of its query, as values of the right kind.
// An unknown option is an error, because the client would otherwise believe that it has an effect.
func (p *request) settings(query url.Values, known map[string]kind) (map[string]any, error) {
	set := map[string]any{}
	for name, v := range p.options {
		if v == nil { // as in Crossbar.io, null means that the option is not given
			continue
		}
		if err := addOption(set, known, name, v); err != nil {
			return nil, err
		}
	}
	for name, values := range query {
		if general[name] {
			continue
		}
		if err := addOption(set, known, name, known[name].parse(values[len(values)-1])); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// addOption checks an option and adds it to the set.
func addOption(set map[string]any, known map[string]kind, name string, v any) error {
	k, ok := known[name]
	if !ok {
		return invalid("unknown option or parameter %.100q", name)
	}
	if set[name], ok = k.check(v); !ok {
		return invalid("option or parameter %s has a wrong value", name)
	}
	return nil
}

// general lists the parameters of a query that are not WAMP options.
var general = map[string]bool{"realm": true, "key": true, "timestamp": true, "seq": true, "nonce": true, "signature": true}

// parse converts a parameter to a value, as in the options of a body.
func (k kind) parse(text string) any {
	switch k {
	case flag:
		switch text {
		case "", "1", "true", "yes":
			return true
		case "0", "false", "no":
			return false
		}
		return text
	case duration:
		return text
	}
	var list []any
	for one := range strings.SplitSeq(text, ",") {
		if id, err := strconv.ParseInt(one, 10, 64); k == ids && err == nil {
			list = append(list, id)
		} else if one != "" {
			list = append(list, one)
		}
	}
	return list
}

// maxDuration is the longest time that a client may set in an option.
const maxDuration = 365 * 24 * time.Hour

func parseDuration(text string) (any, bool) {
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Duration(ms) * time.Millisecond, ms >= 0 && ms < int64(maxDuration/time.Millisecond)
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= 0 && d < maxDuration
}

// check checks a decoded option.
func (k kind) check(v any) (any, bool) {
	switch k {
	case flag:
		b, ok := v.(bool)
		return b, ok
	case duration:
		switch t := v.(type) {
		case string:
			return parseDuration(t)
		case int64:
			return parseDuration(strconv.FormatInt(t, 10))
		}
		return nil, false
	}
	list, ok := v.([]any)
	for i := 0; ok && i < len(list); i++ {
		switch t := list[i].(type) {
		case string:
			ok = k == texts
		case int64:
			ok = k == ids && t > 0 && wamp.ValidID(wamp.ID(t))
		default:
			ok = false
		}
	}
	return list, ok
}

func (p *request) raw() client.Payload { return client.Raw(p.payload) }
