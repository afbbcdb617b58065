//go:build race

package hostile

// mostMemory limits the router's resident memory after an attack, in bytes. The race detector needs several times as
// much.
const mostMemory = 1 << 30
