package wamp

// Node identifies a router among all others. A session of a router sends that router's Node in HELLO.Details._node. The router
// that it joins answers with its own Node, and those of the routers above it, in WELCOME.Details._nodes.
type Node struct {
	ID   string // node id, without the realm, as in the hops of an event; must be unique
	Name string // name in the origins of its events; need not be unique across installations

	// Boot is random for each process. A node may reconnect before the router notices that its old connection is dead.
	// Boot distinguishes this case from another node with the same id.
	Boot string

	// Installation is stored in the data directory; "" without one. A copy of the directory contains the same.
	Installation string
}

// maxNodeText is the limit for each text of a Node, in bytes.
const maxNodeText = 255

// ClashesWith reports whether two nodes must not be connected. They clash if they have the same id. They also clash if one
// has a copy of the other's data directory, so that both number their events alike. A node never clashes with itself.
func (n Node) ClashesWith(other Node) bool {
	if n.Boot == "" || other.Boot == "" || n.Boot == other.Boot {
		return false
	}
	return n.ID == other.ID || n.Installation != "" && n.Installation == other.Installation && n.Name == other.Name
}

// InstalledElsewhere reports whether the nodes are known to have different data directories.
func (n Node) InstalledElsewhere(other Node) bool {
	return n.Installation != "" && other.Installation != "" && n.Installation != other.Installation
}

// Tag distinguishes nodes with the same id in the hops of an event; "" without an Installation. It is the same after a restart.
func (n Node) Tag() string { return n.Installation[:min(len(n.Installation), 8)] }

// Fields returns the form of the node that is sent.
func (n Node) Fields() map[string]any {
	return map[string]any{"id": n.ID, "name": n.Name, "boot": n.Boot, "installation": n.Installation}
}

// ReadNode reads the result of Fields. It returns false for anything else.
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
