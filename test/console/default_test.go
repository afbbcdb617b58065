package console

import (
	"strings"
	"syscall"
	"testing"

	"runnel/test/kit"
	"runnel/test/program"
)

// The built-in default has the console on loopback. Its page may use the application's URIs, and says how to let it read the
// status.
func TestDefault(t *testing.T) {
	s := &scene{T: t, dir: kit.ShortDir(t)}
	config, err := binary.Command("check", "--print-default").Output()
	kit.Must(t, err)
	cmd := binary.Command("run", "-c", kit.Write(t, s.dir, "runnel.toml", strings.Replace(string(config), "127.0.0.1:8080", "127.0.0.1:0", 1)))
	cmd.Env = append(cmd.Env, "XDG_RUNTIME_DIR="+s.dir)
	router, err := program.Start(cmd)
	kit.Must(t, err)
	t.Cleanup(func() {
		router.Signal(syscall.SIGTERM)
		router.Wait()
	})
	p := open(t, "http://"+s.address(router)+"/")
	p.sees(`The role "local" may not read the router's status`, "conf.d/console.toml", "Procedures")
	p.view("live")
	p.sees("Waiting for events", "runnel pub com.example.weather 21.5")
	p.check()
	p.view("try")
	p.press("Publish an event")
	p.fill("#uri", "com.example.weather")
	p.fill("#args", "[21.5]")
	p.do(checkBox("#retain"))
	p.press("Publish")
	p.sees("published")
	p.view("live")
	p.sees("com.example.weather", "21.5")
	p.clean()
}
