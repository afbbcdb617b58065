//go:build unix

package remote

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// socketHint returns the users who may open a Unix socket that this user may not open; "" if err has another cause.
func socketHint(url string, err error) string {
	path, ok := strings.CutPrefix(url, "unix://")
	if !ok || !errors.Is(err, fs.ErrPermission) {
		return ""
	}
	for _, name := range []string{path, filepath.Dir(path)} { // the directory may be closed as well
		info, err := os.Stat(name)
		if err != nil {
			continue
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return ""
		}
		if group := groupName(st.Gid); st.Gid != 0 && info.Mode().Perm()&0o010 != 0 || st.Gid != 0 && info.Mode().Perm()&0o060 == 0o060 {
			return fmt.Sprintf("; run the command with sudo, or join the group %s, whose members may open it: sudo usermod -aG %s %s, then log in again", group, group, userName())
		}
		if st.Uid == 0 {
			return "; only root may open it: run the command with sudo"
		}
		return fmt.Sprintf("; only the user %s may open it: sudo -u %s runnel ...", ownerName(st.Uid), ownerName(st.Uid))
	}
	return ""
}

// fileGroup returns the group of a file whose members may read and write it; "" if there is none but root's.
func fileGroup(file string) string {
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm()&0o060 != 0o060 {
		return ""
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Gid != 0 {
		return groupName(st.Gid)
	}
	return ""
}

func groupName(gid uint32) string {
	id := strconv.Itoa(int(gid))
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}

func ownerName(uid uint32) string {
	id := strconv.Itoa(int(uid))
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "#" + id
}

// userName returns the name of this process's user.
func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "USER"
}
