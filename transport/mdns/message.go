package mdns

import (
	"bytes"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// question holds the messages that ask for the addresses of one name.
type question struct {
	name     dnsmessage.Name
	id       uint16   // repeated in a one-shot answer (RFC 6762, 6.7); 0 in an answer to the group (18.1)
	messages [][]byte // one for each type, because some responders accept only one question in a message
	shared   [][]byte // the same without the id, for port 5353
}

func newQuestion(host string, id uint16) (*question, error) {
	name, err := dnsmessage.NewName(strings.TrimSuffix(host, ".") + ".")
	if err != nil {
		return nil, err
	}
	q := &question{name: name, id: id}
	for _, kind := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA} {
		m := dnsmessage.Message{
			Header:    dnsmessage.Header{ID: id},
			Questions: []dnsmessage.Question{{Name: name, Type: kind, Class: dnsmessage.ClassINET}},
		}
		packed, err := m.Pack()
		if err != nil {
			return nil, err
		}
		q.messages = append(q.messages, packed)
		anonymous := bytes.Clone(packed)
		anonymous[0], anonymous[1] = 0, 0
		q.shared = append(q.shared, anonymous)
	}
	return q, nil
}

// cacheFlush is a bit of the class that a one-shot querier ignores (RFC 6762, 10.2).
const cacheFlush = 1 << 15

// addresses calls each for the addresses of the name in a message. It skips invalid and unrelated records, because any host on the
// network may send messages.
func (q *question) addresses(message []byte, each func(netip.Addr)) {
	var p dnsmessage.Parser
	h, err := p.Start(message)
	if err != nil || !h.Response || h.ID != q.id && h.ID != 0 || h.RCode != dnsmessage.RCodeSuccess || p.SkipAllQuestions() != nil {
		return
	}
	for range maxAddresses {
		r, err := p.AnswerHeader()
		if err != nil {
			return
		}
		about := strings.EqualFold(r.Name.String(), q.name.String()) && r.Class&^cacheFlush == dnsmessage.ClassINET && r.TTL > 0
		switch {
		case about && r.Type == dnsmessage.TypeA:
			a, err := p.AResource()
			if err != nil {
				return
			}
			each(netip.AddrFrom4(a.A))
		case about && r.Type == dnsmessage.TypeAAAA:
			a, err := p.AAAAResource()
			if err != nil {
				return
			}
			each(netip.AddrFrom16(a.AAAA).Unmap())
		default:
			if p.SkipAnswer() != nil {
				return
			}
		}
	}
}
