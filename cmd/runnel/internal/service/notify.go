package service

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
)

// Notify sends a state, such as "READY=1" or "STOPPING=1", to systemd, if it has started this process as a service of type
// notify. A failure is logged.
func Notify(state string, log *slog.Logger) {
	if err := notify(state); err != nil {
		log.Warn("cannot notify systemd", "err", err)
	}
}

func notify(state string) error {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	if strings.HasPrefix(name, "@") {
		name = "\x00" + name[1:] // in Linux's abstract name space
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return nil
}
