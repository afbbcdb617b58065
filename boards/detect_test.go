package boards

import (
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
)

// root creates a root directory with files, given as alternating names and contents.
func root(files ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		fsys[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return fsys
}

// tree is root for a machine with a device tree.
func tree(model, compatible, memory string) fstest.MapFS {
	fsys := root(
		"proc/device-tree/model", model+"\x00",
		"proc/device-tree/compatible", strings.ReplaceAll(compatible, " ", "\x00")+"\x00",
	)
	if memory != "" {
		fsys["proc/meminfo"] = &fstest.MapFile{Data: []byte("MemTotal:       " + memory + " kB\nMemFree:  1 kB\n")}
	}
	return fsys
}

func TestDetect(t *testing.T) {
	for _, c := range []struct {
		fsys   fstest.MapFS
		name   string // in the catalog
		text   string
		build  string
		device string // of the first UART
	}{
		{tree("Raspberry Pi Zero W Rev 1.1", "raspberrypi,model-zero-w brcm,bcm2835", "443080"),
			"Raspberry Pi Zero W", "Raspberry Pi Zero W Rev 1.1 (BCM2835, 512 MB)", "arm6", "/dev/ttyS0"},
		{tree("Raspberry Pi Zero Rev 1.3", "raspberrypi,model-zero brcm,bcm2835", "443080"),
			"Raspberry Pi Zero", "Raspberry Pi Zero Rev 1.3 (BCM2835, 512 MB)", "arm6", "/dev/ttyAMA0"},
		{tree("Raspberry Pi Zero 2 W Rev 1.0", "raspberrypi,model-zero-2-w brcm,bcm2837", "426532"),
			"Raspberry Pi Zero 2 W", "Raspberry Pi Zero 2 W Rev 1.0 (BCM2837, 512 MB)", "arm64", "/dev/ttyS0"},
		{tree("Raspberry Pi Model B Rev 2", "raspberrypi,model-b brcm,bcm2835", "448304"),
			"Raspberry Pi Model B", "Raspberry Pi Model B Rev 2 (BCM2835, 512 MB)", "arm6", "/dev/ttyAMA0"},
		{tree("Raspberry Pi 2 Model B Rev 1.1", "raspberrypi,2-model-b brcm,bcm2836", "945512"),
			"Raspberry Pi 2 Model B", "Raspberry Pi 2 Model B Rev 1.1 (BCM2836, 1 GB)", "arm7", "/dev/ttyAMA0"},
		{tree("Raspberry Pi 3 Model B Plus Rev 1.3", "raspberrypi,3-model-b-plus brcm,bcm2837", "948304"),
			"Raspberry Pi 3 Model B+", "Raspberry Pi 3 Model B Plus Rev 1.3 (BCM2837, 1 GB)", "arm64", "/dev/ttyS0"},
		{tree("Raspberry Pi 4 Model B Rev 1.4", "raspberrypi,4-model-b brcm,bcm2711", "8005636"),
			"Raspberry Pi 4 Model B", "Raspberry Pi 4 Model B Rev 1.4 (BCM2711, 8 GB)", "arm64", "/dev/ttyS0"},
		{tree("Raspberry Pi 400 Rev 1.0", "raspberrypi,400 brcm,bcm2711", "3885388"),
			"Raspberry Pi 400", "Raspberry Pi 400 Rev 1.0 (BCM2711, 4 GB)", "arm64", "/dev/ttyS0"},
		{tree("Raspberry Pi 5 Model B Rev 1.0", "raspberrypi,5-model-b brcm,bcm2712", "8245392"),
			"Raspberry Pi 5", "Raspberry Pi 5 Model B Rev 1.0 (BCM2712, 8 GB)", "arm64", "/dev/ttyAMA10"},
		{tree("Raspberry Pi Compute Module 4 Rev 1.0", "raspberrypi,4-compute-module brcm,bcm2711", "1870920"),
			"Raspberry Pi Compute Module 4", "Raspberry Pi Compute Module 4 Rev 1.0 (BCM2711, 2 GB)", "arm64", "/dev/serial0"},
		{tree("TI AM335x BeagleBone Black", "ti,am335x-bone-black ti,am335x-bone ti,am33xx", "495236"),
			"BeagleBone Black", "TI AM335x BeagleBone Black (AM335x, 512 MB)", "arm7", "/dev/ttyS0"},
		{tree("TI AM335x BeagleBone Green", "ti,am335x-bone-green ti,am335x-bone-black ti,am335x-bone ti,am33xx", "495236"),
			"BeagleBone Green", "TI AM335x BeagleBone Green (AM335x, 512 MB)", "arm7", "/dev/ttyS0"},
		{tree("TI AM335x PocketBeagle", "ti,am335x-pocketbeagle ti,am335x-bone ti,am33xx", "495236"),
			"PocketBeagle", "TI AM335x PocketBeagle (AM335x, 512 MB)", "arm7", "/dev/ttyS0"},
		{tree("BeagleBoard.org BeaglePlay", "beagle,am625-beagleplay ti,am625", "1956444"),
			"BeaglePlay", "BeagleBoard.org BeaglePlay (AM625, 2 GB)", "arm64", "/dev/ttyS0"},
		{tree("Xunlong Orange Pi Zero", "xunlong,orangepi-zero allwinner,sun8i-h2-plus", "497464"),
			"Orange Pi Zero", "Xunlong Orange Pi Zero (Allwinner H2+, 512 MB)", "arm7", "/dev/ttyS0"},
		{tree("OrangePi Zero3", "xunlong,orangepi-zero3 allwinner,sun50i-h618", "1473536"),
			"Orange Pi Zero 3", "OrangePi Zero3 (Allwinner H618, 1.5 GB)", "arm64", "/dev/ttyS0"},
		{tree("OrangePi 3 LTS", "xunlong,orangepi-3-lts allwinner,sun50i-h6", "2034084"),
			"Orange Pi 3 LTS", "OrangePi 3 LTS (Allwinner H6, 2 GB)", "arm64", "/dev/ttyS0"},
		{tree("Orange Pi 5", "xunlong,orangepi-5 rockchip,rk3588s", "16181964"),
			"Orange Pi 5", "Orange Pi 5 (RK3588S, 16 GB)", "arm64", "/dev/ttyS2"},
		{tree("Radxa ROCK Pi 4B", "radxa,rockpi4b radxa,rockpi4 rockchip,rk3399", "3911832"),
			"Radxa ROCK Pi 4", "Radxa ROCK Pi 4B (RK3399, 4 GB)", "arm64", "/dev/ttyS2"},
		{tree("Radxa ROCK 5B", "radxa,rock-5b rockchip,rk3588", "7929376"),
			"Radxa ROCK 5B", "Radxa ROCK 5B (RK3588, 8 GB)", "arm64", "/dev/ttyS2"},
		{tree("Pine64 RockPro64 v2.1", "pine64,rockpro64-v2.1 pine64,rockpro64 rockchip,rk3399", "3911832"),
			"ROCKPro64", "Pine64 RockPro64 v2.1 (RK3399, 4 GB)", "arm64", "/dev/ttyS2"},
		{tree("FriendlyARM NanoPi NEO", "friendlyarm,nanopi-neo allwinner,sun8i-h3", "503568"),
			"NanoPi NEO", "FriendlyARM NanoPi NEO (Allwinner H3, 512 MB)", "arm7", "/dev/ttyS0"},
		{tree("StarFive VisionFive 2 v1.3B", "starfive,visionfive-2-v1.3b starfive,jh7110", "8121040"),
			"StarFive VisionFive 2", "StarFive VisionFive 2 v1.3B (JH7110, 8 GB)", "riscv64", "/dev/ttyS0"},
		{tree("Milk-V Duo", "milkv,duo sophgo,cv1800b", ""),
			"Milk-V Duo", "Milk-V Duo (CV1800B)", "riscv64", "/dev/ttyS0"},
		{tree("Onion Omega2", "onion,omega2 mediatek,mt7628an-soc", "59900"),
			"Onion Omega2", "Onion Omega2 (MT7688, 64 MB)", "mipsle", "/dev/ttyS0"},
		{tree("GL-MT300N-V2", "glinet,gl-mt300n-v2 mediatek,mt7628an-soc", "124820"),
			"MT7628 or MT7688 router", "GL-MT300N-V2 (MT7628, 128 MB)", "mipsle", "/dev/ttyS0"},
		{tree("GL.iNet GL-MT1300", "glinet,gl-mt1300 mediatek,mt7621-soc", "250632"),
			"MT7621 router", "GL.iNet GL-MT1300 (MT7621, 256 MB)", "mipsle", "/dev/ttyS0"},
		{tree("Libre Computer Board ALL-H3-CC H5", "libretech,all-h3-cc-h5 allwinner,sun50i-h5", "2045260"),
			"Libre Computer Board ALL-H3-CC H5", "Libre Computer Board ALL-H3-CC H5 (Allwinner H5, 2 GB)", "arm64", ""},
		{tree("Some Board", "maker,some-board maker,chip", ""), "Some Board", "Some Board", "", ""},
	} {
		b := DetectFS(c.fsys)
		if b.Name != c.name || b.String() != c.text || b.Build != c.build {
			t.Errorf("%s: %q, %q, build %q; want %q, build %q", c.text, b.Name, b, b.Build, c.name, c.build)
		}
		if c.device == "" && len(b.UARTs) > 0 || c.device != "" && (len(b.UARTs) == 0 || b.UARTs[0].Device != c.device) {
			t.Errorf("%s: UARTs %v, want %s first", c.text, b.UARTs, c.device)
		}
	}
}

func TestDetectElsewhere(t *testing.T) {
	generic := runtime.GOOS + "/" + runtime.GOARCH
	for _, c := range []struct {
		name string
		fsys fstest.MapFS
		want string
	}{
		{"nothing", root(), generic},
		{"memory alone", root("proc/meminfo", "MemTotal: 2014128 kB\n"), generic + " (2 GB)"},
		{"sysfs has the tree, proc has not", root(
			"sys/firmware/devicetree/base/model", "Raspberry Pi Zero W Rev 1.1\x00",
			"sys/firmware/devicetree/base/compatible", "raspberrypi,model-zero-w\x00brcm,bcm2835\x00"), "Raspberry Pi Zero W Rev 1.1 (BCM2835)"},
		{"OpenWrt without a tree", root(
			"tmp/sysinfo/model", "Onion Omega2+\n", "tmp/sysinfo/board_name", "onion,omega2p\n", "proc/meminfo", "MemTotal: 124820 kB\n"),
			"Onion Omega2+ (MT7688, 128 MB)"},
		{"compatible without a model", root("proc/device-tree/compatible", "xunlong,orangepi-pc\x00allwinner,sun8i-h3\x00"), "Orange Pi PC (Allwinner H3)"},
		{"a PC", root(
			"sys/class/dmi/id/sys_vendor", "PC Engines\n", "sys/class/dmi/id/product_name", "apu2\n", "proc/meminfo", "MemTotal: 3972900 kB\n"),
			"PC Engines apu2 (4 GB)"},
		{"a PC whose product has its maker's name", root(
			"sys/class/dmi/id/sys_vendor", "Intel\n", "sys/class/dmi/id/product_name", "Intel NUC\n"), "Intel NUC"},
		{"a PC of unnamed parts", root(
			"sys/class/dmi/id/sys_vendor", "To Be Filled By O.E.M.\n", "sys/class/dmi/id/product_name", "Default string\n",
			"sys/class/dmi/id/board_vendor", "ASRock\n", "sys/class/dmi/id/board_name", "J3455-ITX\n"), "ASRock J3455-ITX"},
		{"odd memory", root("proc/meminfo", "MemTotal: 5000000 kB\n"), generic + " (4.7 GB)"},
		{"broken memory", root("proc/meminfo", "MemTotal:\nMemTotal: -5 kB\n"), generic},
		{"huge memory", root("proc/meminfo", "MemTotal: 99999999999999999999 kB\n"), generic + " (1048576 GB)"},
		{"what would confuse a terminal", root("proc/device-tree/model", "Bo\x1b[31mard\xff\r\x00"), "Bo[31mard"},
		{"an empty model", root("proc/device-tree/model", "\x00\x00", "proc/device-tree/compatible", ""), generic},
		{"an endless model", root("proc/device-tree/model", strings.Repeat("x", 1<<20)), strings.Repeat("x", 4<<10)},
	} {
		if got := DetectFS(c.fsys).String(); got != c.want {
			t.Errorf("%s: %.80q, want %q", c.name, got, c.want)
		}
	}
}

func TestDetectHere(t *testing.T) {
	if b := Detect(); b.Name == "" || b.String() == "" {
		t.Errorf("%+v", b)
	}
}

// TestDetectCopies changes a result, which must not affect later results.
func TestDetectCopies(t *testing.T) {
	fsys := tree("", "raspberrypi,400 brcm,bcm2711", "")
	first := DetectFS(fsys)
	first.UARTs[0].Device, first.Compatible[0] = "changed", "changed"
	if b := DetectFS(fsys); b.UARTs[0].Device == "changed" || b.Compatible[0] == "changed" {
		t.Error("the catalog can be changed from outside")
	}
}

func TestCatalog(t *testing.T) {
	builds := map[string]bool{"arm6": true, "arm7": true, "arm64": true, "riscv64": true, "mipsle": true}
	names, compatible := map[string]bool{}, map[string]bool{}
	for _, b := range catalog {
		if b.Name == "" || b.SoC == "" || !builds[b.Build] || len(b.UARTs) == 0 || names[b.Name] {
			t.Errorf("%q is incomplete, or there twice", b.Name)
		}
		names[b.Name] = true
		for _, c := range b.Compatible {
			if compatible[c] || socs[c] != (soc{}) {
				t.Errorf("%s is not the name of %s alone", c, b.Name)
			}
			compatible[c] = true
		}
		for _, u := range b.UARTs {
			if u.Name == "" || u.Pins == "" || u.Device != "" && !strings.HasPrefix(u.Device, "/dev/") || strings.HasSuffix(u.Note, ".") {
				t.Errorf("%s: %+v", b.Name, u)
			}
		}
	}
}

func TestUARTString(t *testing.T) {
	for want, u := range map[string]UART{
		"/dev/ttyS1: UART1, TX GPIO45, RX GPIO46":                    {Device: "/dev/ttyS1", Name: "UART1", Pins: "TX GPIO45, RX GPIO46"},
		"UART3 (PL011), TX GPIO4 (pin 7), RX GPIO5. dtoverlay=uart3": {Name: "UART3 (PL011)", Pins: "TX GPIO4 (pin 7), RX GPIO5", Note: "dtoverlay=uart3"},
	} {
		if u.String() != want {
			t.Errorf("%q, want %q", u, want)
		}
	}
}

func FuzzDetect(f *testing.F) {
	f.Add([]byte("Raspberry Pi Zero W Rev 1.1\x00"), []byte("raspberrypi,model-zero-w\x00brcm,bcm2835\x00"), []byte("MemTotal: 443080 kB\n"))
	f.Fuzz(func(t *testing.T, model, compatible, meminfo []byte) {
		fsys := root("proc/device-tree/model", string(model), "proc/device-tree/compatible", string(compatible), "proc/meminfo", string(meminfo))
		b := DetectFS(fsys)
		if b.String() == "" || strings.ContainsAny(b.String(), "\x00\x1b\n") || b.Memory < 0 {
			t.Errorf("%q", b)
		}
	})
}
