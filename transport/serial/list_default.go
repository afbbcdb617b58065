//go:build !linux

package serial

import bugst "go.bug.st/serial"

// ports returns names only: the port library's enumerator needs cgo on some systems.
func ports() ([]Info, error) {
	names, err := bugst.GetPortsList()
	if err != nil {
		return nil, err
	}
	found := make([]Info, len(names))
	for i, name := range names {
		found[i].Device = name
	}
	return found, nil
}

func addHolders([]Info) {}
