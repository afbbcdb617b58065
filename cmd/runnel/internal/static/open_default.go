//go:build !unix

package static

// nonblocking is not needed: directories hold no named pipes here.
const nonblocking = 0
