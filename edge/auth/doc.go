// Package auth decides who may do what: a Role is a name with permissions, compiled for the hot path. Which role a
// session has is decided where it joins; see package edge, join.go.
package auth
