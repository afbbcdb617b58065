package kit

// Everything is the TOML of the permission to do everything, behind the other keys of a role.
const Everything = `
[[realm.role.permission]]
uri = ""
match = "prefix"
allow = ["publish", "subscribe", "call", "register"]
`

// OpenRealm is the TOML of a realm that every session can join and in which it may do everything.
const OpenRealm = `
[[realm]]
name = "realm1"
anonymous = "all"
[[realm.role]]
name = "all"
` + Everything
