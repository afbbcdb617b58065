package account

import (
	"errors"
	"fmt"
	"io/fs"
)

// Unreadable adds the remedy to the error of a file that this user may not read.
func Unreadable(err error) error {
	if path := (*fs.PathError)(nil); errors.Is(err, fs.ErrPermission) && errors.As(err, &path) {
		return fmt.Errorf("%w; run the command with sudo; for the service: sudo chgrp %s %s && sudo chmod g+r %s", err, Service, path.Path, path.Path)
	}
	return err
}
