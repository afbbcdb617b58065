package boards

import "slices"

// catalog lists the boards that are known by name.
var catalog = slices.Concat(raspberryPi, beagle, allwinner, rockchip, riscv, openwrt)

// soc is a processor that is also used on boards outside the catalog.
type soc struct{ name, build string }

var socs = map[string]soc{
	"brcm,bcm2835":            {"BCM2835", "arm6"},
	"brcm,bcm2836":            {"BCM2836", "arm7"},
	"brcm,bcm2837":            {"BCM2837", "arm64"},
	"brcm,bcm2711":            {"BCM2711", "arm64"},
	"brcm,bcm2712":            {"BCM2712", "arm64"},
	"ti,am33xx":               {"AM335x", "arm7"},
	"ti,am625":                {"AM625", "arm64"},
	"allwinner,sun8i-h2-plus": {"Allwinner H2+", "arm7"},
	"allwinner,sun8i-h3":      {"Allwinner H3", "arm7"},
	"allwinner,sun50i-h5":     {"Allwinner H5", "arm64"},
	"allwinner,sun50i-h6":     {"Allwinner H6", "arm64"},
	"allwinner,sun50i-h616":   {"Allwinner H616", "arm64"},
	"allwinner,sun50i-h618":   {"Allwinner H618", "arm64"},
	"allwinner,sun50i-a64":    {"Allwinner A64", "arm64"},
	"rockchip,rk3308":         {"RK3308", "arm64"},
	"rockchip,rk3328":         {"RK3328", "arm64"},
	"rockchip,rk3399":         {"RK3399", "arm64"},
	"rockchip,rk3566":         {"RK3566", "arm64"},
	"rockchip,rk3568":         {"RK3568", "arm64"},
	"rockchip,rk3588":         {"RK3588", "arm64"},
	"rockchip,rk3588s":        {"RK3588S", "arm64"},
	"starfive,jh7110":         {"JH7110", "riscv64"},
	"sophgo,cv1800b":          {"CV1800B", "riscv64"},
}

// header names the two pins of a 26- or 40-pin header where the Raspberry Pi and most other boards have their UART.
func header(tx, rx string) string { return "TX " + tx + " (pin 8), RX " + rx + " (pin 10)" }

const consoleNote = "The kernel's console, and usually a login, are on it: a device needs the console moved away (console= on the " +
	"kernel's command line) and serial-getty stopped"
