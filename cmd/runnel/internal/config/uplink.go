package config

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"runnel/edge/wamp"
	"runnel/transport"
)

// Uplink links a realm to a central router, an MQTT broker or a NATS server.
type Uplink struct {
	Place        Place
	Name         string   `toml:"name"`
	Realm        string   `toml:"realm"`
	URL          []string `toml:"url"`
	RemoteRealm  string   `toml:"remote_realm"`
	Serializer   string   `toml:"serializer"`
	Authid       string   `toml:"authid"`
	Ticket       Secret   `toml:"ticket"`
	Secret       Secret   `toml:"secret"`
	Key          Path     `toml:"key"`
	Binding      string   `toml:"channel_binding"` // of key and secret to the TLS connection
	Certificate  Path     `toml:"certificate"`
	CA           Path     `toml:"ca"`
	Pin          string   `toml:"pin"` // SHA-256 of the router's certificate or public key
	PingInterval Duration `toml:"ping_interval"`
	PingTimeout  Duration `toml:"ping_timeout"`
	FailBack     Duration `toml:"fail_back"`     // how long an earlier URL must be reachable before the link returns to it
	MaxHops      int      `toml:"max_hops"`      // links that an event or a call may cross
	Remote       bool     `toml:"remote"`        // the centre may send commands and files of conf.d
	ReconnectMin Duration `toml:"reconnect_min"` // first and longest pause before a retry
	ReconnectMax Duration `toml:"reconnect_max"`

	// The queue of exported events.
	MaxSize    Size     `toml:"max_size"` // bounds of the queue
	MaxAge     Duration `toml:"max_age"`
	MinFree    Size     `toml:"min_free"`    // disk space that the queue leaves free
	Drop       string   `toml:"drop"`        // events to drop when the queue is full: "oldest" (default), "newest"
	SpillAfter Duration `toml:"spill_after"` // events that stay unacknowledged for this long are written to disk
	Sync       Duration `toml:"sync"`        // how long durable events wait so that one sync covers several

	Exports []Share `toml:"export"`
	Imports []Share `toml:"import"`

	// For an MQTT broker; see mqtt.go.
	QoS        *int     `toml:"qos"`
	Format     string   `toml:"format"`
	ClientID   string   `toml:"client_id"`
	Username   string   `toml:"username"`
	Password   Secret   `toml:"password"`
	StateTopic string   `toml:"state_topic"`
	ALPN       []string `toml:"alpn"`      // protocols to offer in the TLS handshake
	Discovery  string   `toml:"discovery"` // prefix of the topics of the announcements; "": none
	MaxMessage Size     `toml:"max_message"`
	Protocol   string   `toml:"protocol"` // version of MQTT; "": the broker's

	SessionExpiry Duration   `toml:"session_expiry"` // how long the broker keeps the session of a link that is down
	Sparkplug     *Sparkplug `toml:"sparkplug"`      // the gateway is an Edge Node; see sparkplug.go

	// For a NATS server; see nats.go.
	Token         Secret   `toml:"token"`
	TLSFirst      bool     `toml:"tls_first"`   // TLS begins before the server's INFO
	NKey          Path     `toml:"nkey"`        // file with the seed of a key
	Credentials   Path     `toml:"credentials"` // file with a JWT and the seed of its key
	Stream        string   `toml:"stream"`      // name of the stream that the link creates
	StreamMaxSize Size     `toml:"stream_max_size"`
	StreamMaxAge  Duration `toml:"stream_max_age"`
	Replicas      int      `toml:"replicas"` // of stream and bucket; 0: as many as the cluster allows, up to 3
	Bucket        string   `toml:"bucket"`   // key-value bucket of the retained events; "": none

	node        string   // the node's id; see fillDerived
	lines       []Serial // that it announces
	files, pair digest
}

// Share selects topics or procedures that cross an uplink.
type Share struct {
	Place     Place
	Topic     *string  `toml:"topic"`
	Procedure *string  `toml:"procedure"`
	Match     Match    `toml:"match"`
	Store     string   `toml:"store"`   // memory, disk (default), durable
	MaxAge    Duration `toml:"max_age"` // of imports with store = "durable"
	Retain    bool     `toml:"retain"`  // MQTT: publish all events as retained

	// For an MQTT broker; see mqtt.go.
	MQTTTopic  string `toml:"mqtt_topic"`
	Format     string `toml:"format"`
	TimeKey    string `toml:"time_key"`
	TimeFormat string `toml:"time_format"`
	ValuesKey  string `toml:"values_key"`
	Device     string `toml:"device"` // of Sparkplug

	Interest *bool `toml:"interest"` // false: events cross even without a subscriber

	// LocalPrefix is the prefix of URIs in this realm; RemotePrefix replaces it on the far side.
	LocalPrefix  string `toml:"local_prefix"`
	RemotePrefix string `toml:"remote_prefix"`
}

func (k checker) uplink(u *Uplink) {
	k.Required(u.Place, "name", u.Name)
	u.Realm = k.realmName(u.Place, "realm", u.Realm)
	if u.RemoteRealm == "" {
		u.RemoteRealm = u.Realm
	}
	if len(u.URL) == 0 {
		k.Add(u.Place, "url", "missing; write url = [\"tls://central.example.com:8443\"]")
	}
	k.File(u.Place, "ca", u.CA)
	if _, err := transport.ParsePin(u.Pin); u.Pin != "" && err != nil {
		k.Add(u.Place, "pin", "%v", err)
	}
	k.credentials(u)
	switch { // a broker or a server after the keys that all kinds have
	case u.IsMQTT():
		defer k.broker(u)
	case u.IsNATS():
		defer k.nats(u)
	default:
		k.centre(u)
	}
	for _, d := range []struct {
		key   string
		value Duration
	}{{"ping_timeout", u.PingTimeout}, {"fail_back", u.FailBack}} {
		if u.Place.Has(d.key) && d.value <= 0 {
			k.Add(u.Place, d.key, "must be greater than zero, like \"10s\"")
		}
	}
	k.Ping(u.Place, &u.PingInterval)
	k.Choice(u.Place, "drop", u.Drop, "oldest", "newest")
	for _, s := range u.Exports {
		k.share(s, "local_prefix", s.LocalPrefix)
	}
	for _, s := range u.Imports {
		k.share(s, "remote_prefix", s.RemotePrefix)
		switch {
		case s.Store != "" && s.Store != "durable":
			k.Add(s.Place, "store", "an import can only be \"durable\"; remove it")
		case s.Store != "" && u.IsMQTT():
			k.Add(s.Place, "store", "a broker keeps events for its clients by itself (qos, client_id); remove it")
		}
	}
	if len(u.Exports)+len(u.Imports) == 0 {
		k.Add(u.Place, "", "nothing crosses this link; add [[uplink.export]] or [[uplink.import]]")
	}
}

// centre checks the keys of an uplink to a router.
func (k checker) centre(u *Uplink) {
	k.rejectKeys(u.Place, slices.Concat(mqttKeys, natsOnly), "a router")
	for i, text := range u.URL {
		if k.uplinkURL(u.Place, text) {
			k.endpoint(u.Place, &u.URL[i])
		}
	}
	k.Choice(u.Place, "serializer", u.Serializer, "cbor", "msgpack", "json")
	if u.MaxHops > mostHops {
		k.Add(u.Place, "max_hops", "must be 1 to %d", mostHops)
	}
	for _, s := range slices.Concat(u.Exports, u.Imports) {
		k.rejectKeys(s.Place, mqttShareKeys, "a router")
	}
}

const mostHops = 16 // the router's own limit

func (k checker) uplinkURL(at Place, text string) (ok bool) {
	u := k.URL(at, "url", text, slices.Concat([]string{"tcp", "tls", "unix", "ws", "wss"}, mqttSchemes, natsSchemes)...)
	if u != nil && u.Host+u.Path == "" {
		k.Add(at, "url", "%q names no router", transport.RedactURL(text))
		return false
	}
	return u != nil
}

func (k checker) credentials(u *Uplink) {
	k.Secret(u.Place, "ticket", u.Ticket)
	k.Secret(u.Place, "secret", u.Secret)
	k.File(u.Place, "key", u.Key)
	k.File(u.Place, "certificate", u.Certificate)
	k.Private(u.Place, "key", string(u.Key))
	k.clientFiles(u)
	if u.Binding != "" {
		k.Choice(u.Place, "channel_binding", u.Binding, Bindings...)
	}
	if u.Binding != "" && !u.Secret.Set() && (u.Key == "" || u.Certificate != "") {
		k.Add(u.Place, "channel_binding", "there is nothing to bind; write a key or a secret")
	}
	if u.Certificate != "" && u.Key == "" {
		k.Add(u.Place, "key", "missing; write the certificate's key")
	}
	if u.Authid == "" && (u.Ticket.Set() || u.Secret.Set()) {
		k.Add(u.Place, "authid", "missing; write the name that the secret belongs to")
	}
}

// clientFiles checks the content of the key, the certificate and the CA. file has reported missing files.
func (k checker) clientFiles(u *Uplink) {
	if u.Key.IsContent() || u.Certificate.IsContent() || u.CA.IsContent() {
		return
	}
	key := u.Key
	if u.Certificate != "" || u.IsMQTT() || u.IsNATS() {
		key = "" // it belongs to the certificate
	}
	_, err := AuthMethods(u.Authid, Secret{}, Secret{}, key)
	if err == nil && (u.Certificate == "" || u.Key != "") {
		_, err = transport.ClientFiles(string(u.CA), string(u.Certificate), string(u.Key))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		k.Add(u.Place, "key", "%v", err)
	}
	if u.Certificate != "" && u.Key != "" {
		k.certificate(u.Place, u.Certificate, u.Key)
	}
}

// share checks one table of an uplink. prefix is the prefix on the side from which its events or procedures come.
func (k checker) share(s Share, prefixKey, prefix string) {
	switch {
	case s.Topic != nil && s.Procedure != nil:
		k.Add(s.Place, "procedure", "topic is set as well; use a separate table for each")
	case s.Topic != nil:
		k.shared(s, "topic", *s.Topic, prefixKey, prefix)
	case s.Procedure != nil && *s.Procedure == "":
		k.Add(s.Place, "procedure", "not all procedures can be shared, because some belong to the router; write a prefix, like \"com.example.\"")
	case s.Procedure != nil:
		k.shared(s, "procedure", *s.Procedure, prefixKey, prefix)
	default:
		k.Add(s.Place, "topic", "missing; write topic = \"...\" or procedure = \"...\"")
	}
	k.store(s, prefixKey)
}

func (k checker) shared(s Share, key, uri, prefixKey, prefix string) {
	k.URI(s.Place, key, uri, wamp.Match(s.Match))
	if !strings.HasPrefix(uri, prefix) {
		k.Add(s.Place, prefixKey, "%s %q does not begin with %q", key, uri, prefix)
	}
	for _, p := range []struct{ key, value string }{{"local_prefix", s.LocalPrefix}, {"remote_prefix", s.RemotePrefix}} {
		if s.Place.Has(p.key) {
			k.URI(s.Place, p.key, p.value, wamp.Prefix)
		}
	}
}

func (k checker) store(s Share, prefixKey string) {
	if s.Place.Has("max_age") && (s.Store != "durable" || prefixKey == "local_prefix") {
		k.Add(s.Place, "max_age", "only for imports with store = \"durable\"; max_age of [[uplink]] is for exports")
	}
	k.Choice(s.Place, "store", s.Store, "memory", "disk", "durable")
	if s.Store != "" && s.Procedure != nil {
		k.Add(s.Place, "store", "only topics can be stored; remove it")
	}
}
