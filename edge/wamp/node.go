package wamp

// Node is how a router of this kind is told apart from every other one. A link announces its node in HELLO.Details._node;
// the router that it joins answers with itself and the routers above it in WELCOME.Details._nodes.
type Node struct {
	ID   string // as the way of an event names it, without the realm; no two routers may have the same
	Name string // as its events are numbered under; two may have the same, in different installations

	// Boot is drawn by each process. It tells a node that comes back, over a connection whose predecessor is not known to be
	// dead, from another node of the same id.
	Boot string

	// Installation is kept in the data directory; "" without one. It is the same in a copy of that directory.
	Installation string
}

// maxNodeText is the longest of a Node's texts in bytes.
const maxNodeText = 255

// ClashesWith reports whether two nodes must not be linked: they have the same id, or number their events alike because
// one has a copy of the other's data directory. A node never clashes with itself.
func (n Node) ClashesWith(other Node) bool {
	if n.Boot == "" || other.Boot == "" || n.Boot == other.Boot {
		return false
	}
	return n.ID == other.ID || n.Installation != "" && n.Installation == other.Installation && n.Name == other.Name
}

// InstalledElsewhere reports whether the two are known to have data directories of their own.
func (n Node) InstalledElsewhere(other Node) bool {
	return n.Installation != "" && other.Installation != "" && n.Installation != other.Installation
}

// Tag is what stands beside the ID on the way of an event: it tells two nodes of one id apart; "" if nothing can. It is the
// same after a restart.
func (n Node) Tag() string { return n.Installation[:min(len(n.Installation), 8)] }

// Fields returns what is sent of the node.
func (n Node) Fields() map[string]any {
	return map[string]any{"id": n.ID, "name": n.Name, "boot": n.Boot, "installation": n.Installation}
}

// ReadNode reads what Fields has made. It reports false for anything else.
func ReadNode(v any) (n Node, ok bool) {
	fields, _ := v.(map[string]any)
	for key, into := range map[string]*string{"id": &n.ID, "name": &n.Name, "boot": &n.Boot, "installation": &n.Installation} {
		text, isText := fields[key].(string)
		if !isText || len(text) > maxNodeText {
			return Node{}, false
		}
		*into = text
	}
	return n, n.ID != "" && n.Boot != ""
}
