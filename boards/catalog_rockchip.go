package boards

const fastConsole = "It starts at 1,500,000 baud. " + consoleNote

// rkConsole is the UART used by Rockchip's boot loaders. Vendor kernels name it /dev/ttyFIQ0.
func rkConsole(device, uart, pins string) []UART {
	return []UART{{device, uart, pins, fastConsole}}
}

const rkHeader = "TX pin 8, RX pin 10"

var rockchip = []Board{
	{
		Name: "Orange Pi 5", Vendor: "Xunlong", SoC: "RK3588S", Build: "arm64",
		Compatible: []string{"xunlong,orangepi-5"}, UARTs: rkConsole("/dev/ttyS2", "UART2", "the 3-pin debug header"),
	},
	{
		Name: "Radxa ROCK 3A", Vendor: "Radxa", SoC: "RK3568", Build: "arm64",
		Compatible: []string{"radxa,rock3a"}, UARTs: rkConsole("/dev/ttyS2", "UART2", rkHeader),
	},
	{
		Name: "Radxa ROCK Pi 4", Vendor: "Radxa", SoC: "RK3399", Build: "arm64",
		Compatible: []string{"radxa,rockpi4a", "radxa,rockpi4b", "radxa,rockpi4c", "radxa,rockpi4"},
		UARTs:      rkConsole("/dev/ttyS2", "UART2", rkHeader),
	},
	{
		Name: "Radxa ROCK 4C+", Vendor: "Radxa", SoC: "RK3399", Build: "arm64",
		Compatible: []string{"radxa,rock-4c-plus"}, UARTs: rkConsole("/dev/ttyS2", "UART2", rkHeader),
	},
	{
		Name: "Radxa ROCK 5B", Vendor: "Radxa", SoC: "RK3588", Build: "arm64",
		Compatible: []string{"radxa,rock-5b"}, UARTs: rkConsole("/dev/ttyS2", "UART2", rkHeader),
	},
	{
		Name: "Radxa ROCK Pi S", Vendor: "Radxa", SoC: "RK3308", Build: "arm64",
		Compatible: []string{"radxa,rockpis"}, UARTs: rkConsole("/dev/ttyS0", "UART0", rkHeader),
	},
	{
		Name: "ROCK64", Vendor: "Pine64", SoC: "RK3328", Build: "arm64",
		Compatible: []string{"pine64,rock64"}, UARTs: rkConsole("/dev/ttyS2", "UART2", rkHeader),
	},
	{
		Name: "ROCKPro64", Vendor: "Pine64", SoC: "RK3399", Build: "arm64",
		Compatible: []string{"pine64,rockpro64", "pine64,rockpro64-v2.1", "pine64,rockpro64-v2.0"},
		UARTs:      rkConsole("/dev/ttyS2", "UART2", rkHeader),
	},
}
