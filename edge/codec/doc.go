// Package codec reads and writes WAMP messages in CBOR, MessagePack and JSON.
//
// A router needs little of a message: its head. The payload, Arguments and ArgumentsKw, is the tail of a message in every
// serializer, so Parse leaves it as the bytes that it is and Append splices them into the next message. Only from one
// serializer to another is anything transcoded, token by token.
//
// Where to look: message.go has the table of all messages, Parse and Append; cbor.go, msgpack.go and json.go have, for one
// serializer each, the head's parser, the scanner that checks a value, the writers, and the reader of tokens;
// transcode.go goes from tokens to bytes, value.go from tokens to Go values, encode.go from Go values to bytes; dict.go and
// builder.go read and make options and details; options.go says what kinds those have to be of.
//
// # What Parse checks
//
// A message that Parse accepts is well-formed from its first octet to its last, so that nothing broken reaches another
// peer:
//
//   - It is one list of the length that its type has, and nothing follows it. An unknown type is an UnknownType error.
//   - Ids are integers in [1, 2^53]; 1.0 is none. Request may be 0 in UNSUBSCRIBED and UNREGISTERED only.
//   - Options, details and extra are maps. Of options and details that the protocol knows, the kind of the value is
//     checked (options.go); null stands for one that is not set.
//   - Arguments is a list or, for a transparent payload, one binary; a text also, where the options have enc_algo or
//     ppt_scheme. ArgumentsKw is a map. null stands for one that is absent (null.go).
//   - All strings are UTF-8; half a surrogate pair in JSON stands for no character and is refused. Keys of maps are strings.
//   - No element nests lists, maps and CBOR tags deeper than MaxDepth.
//   - CBOR: all of RFC 8949, with indefinite lengths, tags, half floats and simple values. MessagePack: version 5. JSON:
//     RFC 8259 without a byte order mark.
//
// A name that stands twice in a map is let through as it is; for Value.Any the last one counts. A length that a message
// declares costs nothing until the octets are there. What decodes to Go values (Any, Map, Decode) may need some 64 times the
// octets in memory, as for a list of empty maps; Fields and Items need none.
//
// # What becomes of a value in another serializer
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
// Integers never pass through a float64 as long as the other side has an integer for them. JSON's -0 is the integer 0. A
// JSON string that begins with \u0000 but does not go on in canonical base64 with padding is a text and stays one. A text
// of CBOR or MessagePack that looks like a binary of JSON arrives as a binary: JSON has no way to tell them apart. Keys of
// maps are always text. A timestamp beyond the years 0 to 9999 is treated as any other ext. Lists, maps and strings get
// definite lengths, and all heads and integers their shortest form; floats are always written as float64.
//
// # Who owns the bytes
//
// What Parse puts into a Message are parts of the data that it was given, except a text with JSON escapes or in CBOR
// chunks. The same is true of Fields, Items and Value.Text. They are valid as long as the data is, and nobody may change
// it meanwhile; Clone makes a copy to keep. Append and Transcode copy all they write and keep nothing. A Builder owns the
// bytes of its Dict until its next use. Value.Any, Dict.Map and Payload.Decode share nothing with the bytes.
//
// Nothing here has state: everything may be called from any number of goroutines, a Builder by one at a time.
package codec
