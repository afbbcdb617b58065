package lapb

// Addresses. A command carries the address of its receiver, a response the address of its sender.
const (
	toDevice  = 0x03 // the gateway's commands, the device's responses
	toGateway = 0x01 // the device's commands, the gateway's responses
)

// The control octet: I and S frames have the low bits 0 and 01; U frames 11.
const (
	rr   = 0x01
	rnr  = 0x05
	rej  = 0x09
	sabm = 0x2F
	ua   = 0x63
	disc = 0x43
	dm   = 0x0F
	frmr = 0x87
	xid  = 0xAF
	ui   = 0x03

	pf = 0x10 // P of a command, F of a response
)

// modulus is the modulus of the three-bit frame numbers.
const modulus = 8

// ahead returns how far b is ahead of a.
func ahead(a, b uint8) int { return int(b-a) % modulus }

func next(n uint8) uint8 { return (n + 1) % modulus }

func informationControl(ns, nr uint8, p bool) byte { return nr<<5 | final(p) | ns<<1 }

func supervisoryControl(kind byte, nr uint8, p bool) byte { return nr<<5 | final(p) | kind }

func final(p bool) byte {
	if p {
		return pf
	}
	return 0
}

// fields splits a control octet.
func fields(control byte) (ns, nr uint8, p bool) {
	return control >> 1 & (modulus - 1), control >> 5, control&pf != 0
}
