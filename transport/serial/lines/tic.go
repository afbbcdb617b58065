package lines

import (
	"fmt"
	"strings"
)

// LineCheckNames lists the names of the checks of the lines within a telegram in a configuration.
var LineCheckNames = []string{"tic"}

// ticSize is the length of the separator and the check at the end of a line of TIC.
const ticSize = 2

// verifyTIC compares the check at the end of a line of a French meter's TIC with the characters before it (Enedis-NOI-CPT_54E).
// The check is the sum of the characters, of which six bits are kept, as a printable character. The separator before the check
// is covered in standard mode, where it is a tab, and not in historic mode, where it is a blank.
func verifyTIC(line string) error {
	at := len(line) - ticSize
	if at < 1 || line[at] != ' ' && line[at] != '\t' {
		return fmt.Errorf("%w: the line does not end with a separator and a check", errCheck)
	}
	covered := line[:at]
	if line[at] == '\t' {
		covered = line[:at+1]
	}
	if got, want := line[at+1], byte(sum16([]byte(covered))&0x3f)+0x20; got != want {
		return fmt.Errorf("%w: tic is %q, want %q", errCheck, got, want)
	}
	return nil
}

// ticLabel returns the label of a line for people.
func ticLabel(line string) string {
	label, _, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
	return fmt.Sprintf("%.16s", label)
}
