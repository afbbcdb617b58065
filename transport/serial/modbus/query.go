package modbus

import (
	"cmp"
	"slices"
	"sort"
)

// query is a request and the expected answer.
type query struct {
	request []byte
	expect  int   // size of the answer in octets, unless it is an exception
	points  []int // indexes of the points in the answer; empty for a write
	first   int   // address of the first register or bit
}

func (q query) slave() byte    { return q.request[0] }
func (q query) function() byte { return q.request[1] }

// Neighbouring points of a slave with the same polling interval share one request. Small gaps between them are read as
// well, which costs less than another request. If the slave rejects such a request, the gaps are left out; if it still
// does, each point gets its own request.
const (
	maxHole     = 4  // registers
	maxHoleBits = 32 // bits
)

// grouping is the rule for sharing requests.
type grouping uint8

const (
	bridged  grouping = iota // neighbours and small gaps between them
	adjacent                 // neighbours
	single                   // one point
)

// group builds the queries for points, which are indexes into all.
func group(all []Point, points []int, how grouping) (queries []query) {
	sorted := slices.Clone(points)
	sort.SliceStable(sorted, func(i, j int) bool {
		p, q := &all[sorted[i]], &all[sorted[j]]
		return cmp.Or(cmp.Compare(p.Slave, q.Slave), cmp.Compare(p.Table, q.Table), cmp.Compare(p.Every, q.Every), cmp.Compare(p.Address, q.Address)) < 0
	})
	for i := 0; i < len(sorted); {
		n := 1
		for end := all[sorted[i]].end(); i+n < len(sorted) && joins(&all[sorted[i]], &all[sorted[i+n]], end, how); n++ {
			end = max(end, all[sorted[i+n]].end())
		}
		queries = append(queries, ask(all, sorted[i:i+n]))
		i += n
	}
	sort.SliceStable(queries, func(i, j int) bool { return slices.Min(queries[i].points) < slices.Min(queries[j].points) })
	return queries
}

// end returns the address after the point's last one.
func (p *Point) end() int { return int(p.Address) + p.size() }

// joins reports whether next can share the request that begins with first and extends to end.
func joins(first, next *Point, end int, how grouping) bool {
	hole, limit := maxHole, maxRegisters
	if first.Table.bits() {
		hole, limit = maxHoleBits, maxBits
	}
	if how == adjacent {
		hole = 0
	}
	return how != single && first.Slave == next.Slave && first.Table == next.Table && first.Every == next.Every &&
		int(next.Address) <= end+hole && max(end, next.end())-int(first.Address) <= limit
}

// ask builds one query for points that are sorted by address.
func ask(all []Point, points []int) query {
	first := &all[points[0]]
	size := 0
	for _, i := range points {
		size = max(size, all[i].end()-int(first.Address))
	}
	octets := 2 * size
	if first.Table.bits() {
		octets = (size + 7) / 8
	}
	return query{
		request: request(first.Slave, first.Table.read(), first.Address, uint16(size)), expect: headSize + 1 + octets + crcSize,
		points: slices.Clone(points), first: int(first.Address),
	}
}

// cut returns a point's part of the data in an answer.
func (q query) cut(p *Point, data []byte) []byte {
	at := int(p.Address) - q.first
	if !p.Table.bits() {
		return data[2*at : 2*at+p.octets()]
	}
	part := make([]byte, p.octets())
	for i := range p.size() {
		part[i/8] |= data[(at+i)/8] >> ((at + i) % 8) & 1 << (i % 8)
	}
	return part
}
