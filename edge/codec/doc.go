// Package codec reads and writes WAMP messages in CBOR, MessagePack and JSON.
//
// A router needs only the head of a message. The payload, Arguments and ArgumentsKw, is the tail of a message in every
// serializer. Parse leaves it as bytes, and Append copies these bytes into the next message. The payload is transcoded,
// token by token, only between different serializers.
//
// Where to look: message.go has the table of all messages, Parse and Append. binary.go parses and writes the head of a
// message in CBOR and MessagePack, json.go in JSON. cbor.go, msgpack.go and json.go each have one serializer's scanner that
// checks values, its writers and its token reader. transcode.go converts tokens to bytes, value.go tokens to Go values, and
// encode.go Go values to bytes. dict.go and builder.go read and make options and details; options.go says which types their
// values must have.
//
// The scanners of the three serializers repeat the shape of their loops on purpose: a scanner calls itself for each nested
// value, and a shared loop would make these calls indirect. The few indirect calls of binary.go cost up to 7 ns a message.
//
// # What Parse checks
//
// A message that Parse accepts is well-formed from its first octet to its last. Nothing malformed reaches another peer:
//
//   - It is one list of the length that its type requires, and nothing follows it. An unknown type is an UnknownType
//     error.
//   - Ids are integers in [1, 2^53]; 1.0 is not an id. Request may be 0 only in UNSUBSCRIBED and UNREGISTERED.
//   - Options, details and extra are maps. Options and details that the protocol defines have values of the right type
//     (options.go). null means that one is not set.
//   - Arguments is a list or, for a transparent payload, one binary. It may be a text if the options have enc_algo or
//     ppt_scheme. ArgumentsKw is a map. null means that one is absent (null.go).
//   - All strings are UTF-8; half a surrogate pair in JSON is rejected. Keys of maps are strings.
//   - No element nests lists, maps and CBOR tags deeper than MaxDepth.
//   - CBOR: all of RFC 8949, with indefinite lengths, tags, half floats and simple values. MessagePack: version 5.
//     JSON: RFC 8259 without a byte order mark.
//
// Duplicate keys in a map are not an error; Value.Any uses the last one. A declared length costs nothing until the data
// arrives. Decoding to Go values (Any, Map, Decode) may need some 64 times the memory of the bytes, for example for a
// list of empty maps. Fields and Items need none.
//
// # How values are transcoded
//
//	CBOR                    MessagePack             JSON
//	integers, [-2^63,2^64)  integer                 the same digits
//	-2^64 .. -2^63-1        float64                 the same digits
//	bignum (tags 2, 3)      integer or float64      the same digits; beyond 2^1024: null
//	float16, float32        float64                 the float64's shortest digits, with a fraction or an exponent
//	NaN, infinities         float64                 null
//	text                    str                     string
//	byte string             bin                     "\u0000" and base64 with padding
//	false, true, null       the same                the same
//	undefined, other simple nil                     null
//	any other tag           its content             its content
//
//	MessagePack             CBOR                    JSON
//	float32                 float64                 as above
//	ext timestamp           text as in RFC 3339     the same as a string
//	any other ext           byte string of its data "\u0000" and base64
//
//	JSON                    CBOR                    MessagePack
//	integer syntax          integer, if it fits, else float64 (1e999: an infinity)
//	fraction or exponent    float64                 float64
//	"\u0000" and base64     byte string             bin
//
// Integers never pass through a float64 if the other serializer has an integer for them. JSON's -0 is the integer 0. A
// JSON string that begins with \u0000 but is not canonical base64 with padding after that is a text, and stays one. A
// text of CBOR or MessagePack that looks like a binary of JSON arrives as a binary: JSON cannot distinguish them. Keys
// of maps are always text. A timestamp outside the years 0 to 9999 is treated like any other ext. Lists, maps and
// strings get definite lengths. Heads and integers get their shortest form. Floats are always written as float64.
//
// # Ownership of bytes
//
// The bytes that Parse puts into a Message are parts of its input, except a text with JSON escapes or in CBOR chunks.
// The same is true of Fields, Items and Value.Text. They are valid as long as the input is, and must not be changed.
// Clone makes an independent copy. Append and Transcode copy everything they write and keep nothing. A Builder owns the
// bytes of its Dict until its next use. Value.Any, Dict.Map and Payload.Decode share no memory with the bytes.
//
// The package has no state: any number of goroutines may call everything. A Builder belongs to one goroutine at a time.
package codec
