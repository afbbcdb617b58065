package stories

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// "runnel serial add" adds a device by its profile, which is built in or a file beside the configuration. The router reads the
// device at once.
func TestSerialProfiles(t *testing.T) {
	dir := place(t)
	file, tty, second := filepath.Join(dir, "runnel.toml"), filepath.Join(dir, "tty"), filepath.Join(dir, "second")
	url := "unix://" + filepath.Join(dir, "runnel.sock")
	runnel(t, "init", "standalone", "-c", file, "--yes", "--listen", "tcp://127.0.0.1:0", "--prefix", "org.plant").expect(t, 0, "", "")
	p := start(t, "run", "-c", file)
	p.logs(`msg=listening url=unix://`)
	talk(t, plug(t, tty), "R0300\r")
	talk(t, plug(t, second), "7;215\n")
	own := filepath.Join(dir, "profiles.d", "tank.toml")
	const tank = "description = \"the tank\"\n[[serial]]\nmode = \"lines\"\nformat = \"csv\"\nseparator = \";\"\ncolumns = [\"id\", \"level\"]\n"
	if err := errors.Join(os.Mkdir(filepath.Dir(own), 0o755), os.WriteFile(own, []byte(tank), 0o644)); err != nil {
		t.Fatal(err)
	}

	runnel(t, "serial", "profiles", "-c", file).expect(t, 0, "sdm120 ", filepath.Join(filepath.Dir(file), "profiles.d"))
	runnel(t, "serial", "profiles", "-c", file).expect(t, 0, "the tank", "")
	runnel(t, "serial", "profiles", "-c", file, "--json").expect(t, 0, `{"name":"sdm120","description":"Eastron`, "")
	runnel(t, "serial", "profiles", "sdm630", "-c", file).expect(t, 0, "baud = 9600", "")
	runnel(t, "serial", "profiles", "sdm63", "-c", file).expect(t, 1, "", `did you mean "sdm630"`)

	add := func(args ...string) result {
		return runnel(t, append([]string{"serial", "add", "-c", file, "--yes"}, args...)...)
	}
	add(tty, "--profile", "maxbotix").expect(t, 2, "", `did you mean "maxbotix-hrxl"`)
	add(tty, "--profile", "maxbotix-hrxl", "--slave", "2").expect(t, 2, "", "Modbus")
	add(filepath.Join(dir, "missing"), "--profile", "sdm120").expect(t, 1, "", "runnel serial ls")
	add(tty, "--profile", "maxbotix-hrxl").expect(t, 0, "serial line tty started", "")
	add(second, "--profile", "tank", "--name", "level").expect(t, 0, "serial line level started", "")
	runnel(t, "sub", "org.plant.tty", "-n", "1", "--timeout", "50s", "--url", url).expect(t, 0, "distance=300", "")
	runnel(t, "sub", "org.plant.level", "-n", "1", "--timeout", "50s", "--url", url).expect(t, 0, "level=215", "")

	add(meter(t), "--profile", "sdm120", "--name", "main-meter", "--slave", "7").expect(t, 0, "serial line main-meter started", "")
	added := filepath.Join(dir, "conf.d", "main-meter.toml")
	text, err := os.ReadFile(added)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(added, append(text, "every = \"100ms\"\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	runnel(t, "reload", "--url", url).expect(t, 0, "serial line main-meter", "")
	runnel(t, "sub", "org.plant.main_meter.voltage", "-n", "1", "--timeout", "50s", "--url", url).expect(t, 0, "value=23", "")

	// A profile takes effect with a reload, and its faults are named.
	if err := os.WriteFile(own, []byte(strings.ReplaceAll(tank, "level", "depth")), 0o644); err != nil {
		t.Fatal(err)
	}
	runnel(t, "reload", "--url", url).expect(t, 0, "serial line level", "")
	runnel(t, "sub", "org.plant.level", "-n", "1", "--timeout", "50s", "--url", url).expect(t, 0, "depth=215", "")
	if err := os.WriteFile(own, []byte(tank+"colour = 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	runnel(t, "check", "-c", file).expect(t, 3, "", "tank.toml:7: serial.colour: unknown key")
}

// meter serves the registers of a meter, slave 7, by Modbus TCP and returns its address.
func meter(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go answerMeter(conn)
		}
	}()
	return "tcp://" + l.Addr().String()
}

// answerMeter answers reads of input registers. The first two are a float32 that changes with each read, 231, 232, 231 and so
// on; the others are 0. Other slaves do not exist.
func answerMeter(conn net.Conn) {
	defer conn.Close()
	request := make([]byte, 12)
	for reads := 0; ; {
		if _, err := io.ReadFull(conn, request); err != nil {
			return
		}
		at, size := int(binary.BigEndian.Uint16(request[8:])), 2*int(binary.BigEndian.Uint16(request[10:]))
		answer := append(request[:4:4], 0, byte(3+size), request[6], 4, byte(size))
		if request[6] != 7 || request[7] != 4 {
			answer = append(request[:4:4], 0, 3, request[6], request[7]|0x80, 11)
		} else if answer = append(answer, make([]byte, size)...); at == 0 {
			reads++
			binary.BigEndian.PutUint32(answer[9:], math.Float32bits(float32(232-reads%2)))
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}
