//go:build race

package hostile

// mostMemory is what the router may have resident after an attack, in octets. The race detector needs several times as
// much.
const mostMemory = 1 << 30
