package packet

// PropertyID identifies a property (2.2.2.2).
type PropertyID byte

// The properties.
const (
	PayloadFormat          PropertyID = 1
	MessageExpiry          PropertyID = 2 // in seconds
	ContentType            PropertyID = 3
	ResponseTopic          PropertyID = 8
	CorrelationData        PropertyID = 9
	SubscriptionID         PropertyID = 11
	SessionExpiry          PropertyID = 17 // in seconds
	AssignedClientID       PropertyID = 18
	ServerKeepAlive        PropertyID = 19 // in seconds
	AuthenticationMethod   PropertyID = 21
	AuthenticationData     PropertyID = 22
	RequestProblemInfo     PropertyID = 23
	WillDelay              PropertyID = 24 // in seconds
	RequestResponseInfo    PropertyID = 25
	ResponseInfo           PropertyID = 26
	ServerReference        PropertyID = 28
	ReasonString           PropertyID = 31
	ReceiveMaximum         PropertyID = 33
	TopicAliasMaximum      PropertyID = 34
	TopicAlias             PropertyID = 35
	MaximumQoS             PropertyID = 36
	RetainAvailable        PropertyID = 37
	UserProperty           PropertyID = 38
	MaximumPacketSize      PropertyID = 39
	WildcardAvailable      PropertyID = 40
	SubscriptionIDsAllowed PropertyID = 41
	SharedAvailable        PropertyID = 42
)

// Property is one property. Its form decides which fields it has: Number, Text (also for binary data), or Name and Text for a user
// property.
type Property struct {
	ID     PropertyID
	Number uint32
	Name   string
	Text   string
}

// Properties are the properties of a packet, in order.
type Properties []Property

// maxProperties bounds the properties of a packet. Further user properties and subscription identifiers are ignored.
const maxProperties = 64

// form is how a property is encoded.
type form byte

const (
	noForm form = iota
	octet
	word
	long
	varint
	text
	binaryData
	pair
)

// will selects the properties of a will, in addition to the types of packets.
const will Type = 0

// acks are the packets that acknowledge others.
const acks = 1<<TypePuback | 1<<TypePubrec | 1<<TypePubrel | 1<<TypePubcomp | 1<<TypeSuback | 1<<TypeUnsuback

// properties are the forms of all properties, and the packets that may have them, as a set of types.
var properties = [...]struct {
	form form
	in   uint16
}{
	PayloadFormat:          {octet, 1<<TypePublish | 1<<will},
	MessageExpiry:          {long, 1<<TypePublish | 1<<will},
	ContentType:            {text, 1<<TypePublish | 1<<will},
	ResponseTopic:          {text, 1<<TypePublish | 1<<will},
	CorrelationData:        {binaryData, 1<<TypePublish | 1<<will},
	SubscriptionID:         {varint, 1<<TypePublish | 1<<TypeSubscribe},
	SessionExpiry:          {long, 1<<TypeConnect | 1<<TypeConnack | 1<<TypeDisconnect},
	AssignedClientID:       {text, 1 << TypeConnack},
	ServerKeepAlive:        {word, 1 << TypeConnack},
	AuthenticationMethod:   {text, 1<<TypeConnect | 1<<TypeConnack | 1<<TypeAuth},
	AuthenticationData:     {binaryData, 1<<TypeConnect | 1<<TypeConnack | 1<<TypeAuth},
	RequestProblemInfo:     {octet, 1 << TypeConnect},
	WillDelay:              {long, 1 << will},
	RequestResponseInfo:    {octet, 1 << TypeConnect},
	ResponseInfo:           {text, 1 << TypeConnack},
	ServerReference:        {text, 1<<TypeConnack | 1<<TypeDisconnect},
	ReasonString:           {text, acks | 1<<TypeConnack | 1<<TypeDisconnect | 1<<TypeAuth},
	ReceiveMaximum:         {word, 1<<TypeConnect | 1<<TypeConnack},
	TopicAliasMaximum:      {word, 1<<TypeConnect | 1<<TypeConnack},
	TopicAlias:             {word, 1 << TypePublish},
	MaximumQoS:             {octet, 1 << TypeConnack},
	RetainAvailable:        {octet, 1 << TypeConnack},
	UserProperty:           {pair, 1<<TypeAuth<<1 - 1}, // everywhere
	MaximumPacketSize:      {long, 1<<TypeConnect | 1<<TypeConnack},
	WildcardAvailable:      {octet, 1 << TypeConnack},
	SubscriptionIDsAllowed: {octet, 1 << TypeConnack},
	SharedAvailable:        {octet, 1 << TypeConnack},
}

// booleans are the properties whose value is 0 or 1.
const booleans uint64 = 1<<PayloadFormat | 1<<RequestProblemInfo | 1<<RequestResponseInfo | 1<<MaximumQoS | 1<<RetainAvailable |
	1<<WildcardAvailable | 1<<SubscriptionIDsAllowed | 1<<SharedAvailable

// positive are the properties whose value must not be 0.
const positive uint64 = 1<<SubscriptionID | 1<<ReceiveMaximum | 1<<MaximumPacketSize

func (p Properties) find(id PropertyID) *Property {
	for i := range p {
		if p[i].ID == id {
			return &p[i]
		}
	}
	return nil
}

// Number returns the value of a numeric property, or otherwise if it is missing.
func (p Properties) Number(id PropertyID, otherwise uint32) uint32 {
	if f := p.find(id); f != nil {
		return f.Number
	}
	return otherwise
}

// Text returns the value of a text or of binary data; "" if it is missing.
func (p Properties) Text(id PropertyID) string {
	if f := p.find(id); f != nil {
		return f.Text
	}
	return ""
}

// Has reports whether a property is present.
func (p Properties) Has(id PropertyID) bool { return p.find(id) != nil }

// User returns the first user property of a name; "" if it is missing.
func (p Properties) User(name string) string {
	for i := range p {
		if p[i].ID == UserProperty && p[i].Name == name {
			return p[i].Text
		}
	}
	return ""
}
