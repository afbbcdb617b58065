//go:build !race

package hostile

// mostMemory is what the router may have resident after an attack, in octets.
const mostMemory = 96 << 20
