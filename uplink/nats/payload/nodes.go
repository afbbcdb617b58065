package payload

import (
	"slices"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// MaxNodes bounds the text of Nodes, in bytes.
const MaxNodes = 64 << 10

// Shard is a sharded registration of a link.
type Shard struct {
	Pattern wamp.Pattern // of subjects, written as URIs
	Nodes   []string
}

// EncodeNodes returns the text of shards: a JSON list of [URI, match policy, node, node ...]. It omits shards that do
// not fit into MaxNodes; fit is the number of encoded shards.
func EncodeNodes(shards []Shard) (text []byte, fit int) {
	text = []byte{'['}
	for _, s := range shards {
		item := []any{s.Pattern.URI, s.Pattern.Match.String()}
		for _, node := range s.Nodes {
			item = append(item, node)
		}
		one, err := codec.AppendValue(nil, wamp.JSON, item)
		if err != nil || len(text)+len(one)+2 > MaxNodes {
			break
		}
		if fit++; fit > 1 {
			text = append(text, ',')
		}
		text = append(text, one...)
	}
	return append(text, ']'), fit
}

// DecodeNodes is the inverse of EncodeNodes.
func DecodeNodes(text []byte) (shards []Shard, ok bool) {
	if len(text) > MaxNodes {
		return nil, false
	}
	p := codec.Payload{Serializer: wamp.JSON, Items: 1, Raw: text}
	args, _, err := p.Split()
	list, ok := args.Items()
	for ok = ok && err == nil; ok && list.Next(); {
		var s Shard
		s, ok = shard(list.Value())
		shards = append(shards, s)
	}
	return shards, ok
}

func shard(v codec.Value) (s Shard, ok bool) {
	var texts []string
	for list, _ := v.Items(); list.Next(); {
		text, isText := list.Value().Text()
		if !isText {
			return s, false
		}
		texts = append(texts, string(text))
	}
	if len(texts) < 2 {
		return s, false
	}
	s.Pattern.URI, s.Nodes = texts[0], texts[2:]
	s.Pattern.Match, ok = wamp.ParseMatch(texts[1])
	return s, ok && wamp.ValidURI(s.Pattern.URI, s.Pattern.Match, false) && !slices.ContainsFunc(s.Nodes, func(n string) bool { return !ValidNode(n) })
}

// ValidNode reports whether links can send the name of a node to each other.
func ValidNode(name string) bool { return name != "" && len(name) <= maxText && printable(name) }
