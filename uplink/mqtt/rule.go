package mqtt

import (
	"errors"
	"fmt"
	"strings"

	"runnel/edge/wamp"
	"runnel/transport/mqtt/naming"
	"runnel/uplink"
)

// Rule selects the messages that cross the link: topics both ways, and exported procedures. Names are URIs on both
// sides; remote URIs represent the broker's topics.
type Rule struct {
	uplink.Rule
	Retain bool // events are retained on the other side even if they are not retained on the sending side

	// MQTTTopic is the topic at the broker, a template; "": the components of the URI are the levels of the topic.
	MQTTTopic string

	Form *Form // of the messages; nil: the link's format

	Device string // of Sparkplug: a template of the device's name; "": the serial line, or else the URI
}

// KeyError is an error of one key of a rule.
type KeyError struct {
	Key string
	Err error
}

func (e *KeyError) Error() string { return e.Key + ": " + e.Err.Error() }

func (e *KeyError) Unwrap() error { return e.Err }

const topicKey = "mqtt_topic"

func ofKey(key string, err error) error {
	if err == nil {
		return nil
	}
	return &KeyError{key, err}
}

// requestDepth is how many components a procedure may have after the exported prefix. MQTT has no filter for topics of any
// length that end in "request".
const requestDepth = 6

// Levels of the topics of calls, see calls.go.
const (
	requestLevel  = "request"
	responseLevel = "response"
)

var (
	errBoth     = errors.New("both a topic and a procedure")
	errNeither  = errors.New("neither a topic nor a procedure")
	errImported = errors.New("procedures of an MQTT broker cannot be imported")
	errPlain    = errors.New("calls need the format json or cbor")

	errCallForm  = errors.New("calls have the format of the uplink; remove it here")
	errCallTopic = errors.New("the topics of calls follow from the procedure; remove mqtt_topic")
	errPrefixes  = errors.New("mqtt_topic names the whole topic; remove local_prefix and remote_prefix")
)

// CheckExport returns the reason why a rule cannot be exported in a format, or nil.
func (r *Rule) CheckExport(f Format) error {
	if err := r.check(r.LocalPrefix); err != nil {
		return err
	}
	if err := r.checkEdge(false); err != nil || r.isEdge() {
		return err
	}
	if r.MQTTTopic != "" {
		_, err := r.template()
		return ofKey(topicKey, err)
	}
	if r.Procedure == "" {
		return nameable(r.ToRemote(r.Topic))
	}
	if !f.structured() {
		return errPlain
	}
	_, err := r.requests()
	return named(r.ToRemote(r.Procedure), err)
}

// CheckImport returns the reason why a rule cannot be imported, or nil.
func (r *Rule) CheckImport() error {
	if r.Procedure != "" {
		return errImported
	}
	if err := r.check(r.RemotePrefix); err != nil {
		return err
	}
	if !wamp.ValidURI(r.ToLocal(r.Topic), r.Match, false) {
		return fmt.Errorf("it would become %q, which is not a valid URI", r.ToLocal(r.Topic))
	}
	if err := r.checkEdge(true); err != nil || r.isEdge() {
		return err
	}
	if r.MQTTTopic != "" {
		_, err := r.inverse()
		return ofKey(topicKey, err)
	}
	_, err := naming.Filter(r.Topic, r.Match)
	return named(r.Topic, err)
}

// template returns the resolved template of a rule with one.
func (r *Rule) template() (naming.Template, error) {
	if r.Procedure != "" {
		return naming.Template{}, errCallTopic
	}
	if r.LocalPrefix != r.RemotePrefix {
		return naming.Template{}, errPrefixes
	}
	t, err := naming.Parse(r.MQTTTopic)
	if err != nil {
		return naming.Template{}, err
	}
	return t.Resolve(r.Topic, r.Match)
}

// inverse is the way back from the topics of an import with mqtt_topic.
type inverse struct {
	*naming.Inverse
	rule *Rule
}

func (r *Rule) inverse() (*inverse, error) {
	t, err := r.template()
	if err != nil {
		return nil, err
	}
	v, err := naming.NewInverse(wamp.Pattern{URI: r.Topic, Match: r.Match}, t)
	return &inverse{v, r}, err
}

func (r *Rule) check(prefix string) error {
	switch {
	case r.Topic != "" && r.Procedure != "":
		return errBoth
	case r.Topic == "" && r.Procedure == "" && r.Match == wamp.Exact:
		return errNeither
	case !wamp.ValidURI(r.URI(), r.Match, false):
		return fmt.Errorf("%q is not a valid URI", r.URI())
	case r.Form != nil && r.Procedure != "" && !r.isEdge():
		return ofKey("format", errCallForm)
	case !wamp.ValidURI(r.LocalPrefix, wamp.Prefix, false) || !wamp.ValidURI(r.RemotePrefix, wamp.Prefix, false):
		return errors.New("a prefix to replace is not valid")
	case !strings.HasPrefix(r.URI(), prefix):
		return fmt.Errorf("%q does not begin with the prefix to replace, %q", r.URI(), prefix)
	}
	if r.Form != nil {
		return r.Form.check()
	}
	return nil
}

// nameable returns an error if the URIs of a pattern can't be MQTT topics, as far as the pattern shows it.
func nameable(pattern string) error {
	err := naming.Check(pattern, "/+#")
	if err == nil && strings.HasPrefix(pattern, "$") {
		err = naming.ErrDollar
	}
	return named(pattern, err)
}

// named adds the URI to an error.
func named(uri string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%q is not an MQTT topic: %w", uri, err)
}

// requests returns the filters of the requests for the procedures that the rule exports.
func (r *Rule) requests() (filters []string, err error) {
	filter, err := naming.Filter(r.ToRemote(r.Procedure), r.Match)
	if err != nil {
		return nil, err
	}
	if r.Match != wamp.Prefix {
		return []string{filter + "/" + requestLevel}, nil
	}
	filter = strings.TrimSuffix(filter, "#")
	for range requestDepth {
		filter += "+/"
		filters = append(filters, filter+requestLevel)
	}
	return filters, nil
}
