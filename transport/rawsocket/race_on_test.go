//go:build race

package rawsocket

const raceEnabled = true // everything is larger then
