package kit

// TOML of the realms of tests. Each text ends with a newline, and begins with its first key or table.
const (
	// Everything is the permission to do everything. It follows the other keys of a role.
	Everything = `[[realm.role.permission]]
uri = ""
match = "prefix"
allow = ["publish", "subscribe", "call", "register"]
`

	// GuestRole is a realm's anonymous role, which may do everything. It follows the realm's name.
	GuestRole = `anonymous = "guest"
[[realm.role]]
name = "guest"
` + Everything

	// OpenRealm is the realm "realm1", in which every session may do everything.
	OpenRealm = `[[realm]]
name = "realm1"
` + GuestRole

	// Gateway is a principal for links, and the beginning of its role. Its permissions follow.
	Gateway = `[[realm.principal]]
authid = "gateway"
role = "gateway"
ticket = "gateway's"
[[realm.role]]
name = "gateway"
forward = true
`
)
