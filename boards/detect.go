package boards

import (
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Detect returns this machine's board. Detect describes a machine outside the catalog by the name that the machine itself
// reports.
func Detect() Board { return DetectFS(os.DirFS("/")) }

// DetectFS is Detect for a machine with the root directory fsys.
func DetectFS(fsys fs.FS) Board {
	b := identify(machine{fsys})
	b.Memory = soldAs(memTotal(fsys) >> 10)
	return b
}

// machine is the root directory of a machine.
type machine struct{ fsys fs.FS }

func identify(m machine) Board {
	compatible := m.compatible()
	b, known := lookUp(compatible)
	b.Model = m.model()
	if known || b.Model != "" {
		if b.Name == "" {
			b.Name = b.Model
		}
		return b
	}
	return m.pc()
}

// model returns the machine's name from the device tree, or from OpenWrt on machines without one.
func (m machine) model() string {
	for _, path := range [...]string{
		"proc/device-tree/model", "sys/firmware/devicetree/base/model", "tmp/sysinfo/model",
	} {
		if words := m.words(path); len(words) > 0 {
			return words[0]
		}
	}
	return ""
}

// compatible returns the names by which drivers know the machine, the most specific first.
func (m machine) compatible() []string {
	for _, path := range [...]string{
		"proc/device-tree/compatible", "sys/firmware/devicetree/base/compatible", "tmp/sysinfo/board_name",
	} {
		if words := m.words(path); len(words) > 0 {
			return words
		}
	}
	return nil
}

// lookUp searches the catalog for the names in their order: "ti,am335x-bone-green" also is a "ti,am335x-bone-black". Without
// a match it searches for a known SoC.
func lookUp(compatible []string) (b Board, known bool) {
	for _, name := range compatible {
		i := slices.IndexFunc(catalog, func(b Board) bool { return slices.Contains(b.Compatible, name) })
		if i >= 0 {
			b := catalog[i]
			b.UARTs = slices.Clone(b.UARTs)
			b.Compatible = slices.Clone(b.Compatible)
			return b, true
		}
	}
	b.Compatible = compatible
	for _, name := range compatible {
		if s, ok := socs[name]; ok {
			b.SoC, b.Build = s.name, s.build
			return b, false
		}
	}
	return b, false
}

// pc describes a machine without a device tree by its DMI, otherwise by its architecture.
func (m machine) pc() Board {
	b := Board{Name: runtime.GOOS + "/" + runtime.GOARCH, Build: build()}
	vendor, product := m.dmi("sys_vendor"), m.dmi("product_name")
	if product == "" {
		vendor, product = m.dmi("board_vendor"), m.dmi("board_name")
	}
	switch {
	case product == "":
		return b
	case vendor == "" || strings.HasPrefix(product, vendor):
		b.Model = product
	default:
		b.Model = vendor + " " + product
	}
	b.Vendor = vendor
	return b
}

func build() string {
	if runtime.GOARCH == "arm" {
		return "arm6" // the program's own build cannot be queried; arm6 runs everywhere
	}
	return runtime.GOARCH
}

// dmi reads one name. Many vendors leave the placeholders of the board's maker.
func (m machine) dmi(name string) string {
	words := m.words("sys/class/dmi/id/" + name)
	if len(words) == 0 {
		return ""
	}
	for _, filler := range [...]string{"o.e.m.", "default string", "system product name", "system manufacturer", "none", "not specified", "unknown"} {
		if strings.Contains(strings.ToLower(words[0]), filler) {
			return ""
		}
	}
	return words[0]
}

// words reads the strings in a file, separated by NUL (device tree) or line ends (sysfs), at most 4 KiB.
func (m machine) words(path string) (words []string) {
	for _, word := range strings.FieldsFunc(read(m.fsys, path), func(r rune) bool { return r == 0 || r == '\n' }) {
		if word = printable(word); word != "" {
			words = append(words, word)
		}
	}
	return words
}

// printable removes characters that might confuse a terminal.
func printable(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, s))
}

// read returns the text of a small file, or "".
func read(fsys fs.FS, path string) string {
	f, err := fsys.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, 4<<10))
	return string(text)
}

// memTotal returns the machine's memory in KiB, or 0.
func memTotal(fsys fs.FS) int64 {
	for line := range strings.Lines(read(fsys, "proc/meminfo")) {
		if w := strings.Fields(line); len(w) >= 2 && w[0] == "MemTotal:" {
			kib, _ := strconv.ParseInt(w[1], 10, 64)
			return min(max(kib, 0), 1<<40)
		}
	}
	return 0
}

// soldAs rounds Linux's memory up to the size sold: the firmware, the graphics processor and the kernel reserve some. Sizes
// are powers of two, and from 1.5 GB on also the values half-way between.
func soldAs(mb int64) int {
	for size := int64(32); size <= 1<<30; size *= 2 {
		for _, size := range [...]int64{size, size * 3 / 2} {
			if (size&(size-1) == 0 || size >= 1536) && mb <= size && mb*10 >= size*8 {
				return int(size)
			}
		}
	}
	return int(mb)
}
