//go:build !race

package hostile

// mostMemory limits the router's resident memory after an attack, in bytes.
const mostMemory = 96 << 20
