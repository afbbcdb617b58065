package cli

import (
	"errors"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// masked is the prefix of a negative number among the arguments. It keeps the number from being parsed as flags.
const masked = "\x00"

// MaskNumbers masks the negative numbers among the arguments of pub, call and reg.
func MaskNumbers(root *cobra.Command, args []string) []string {
	cmd, _, err := root.Find(args)
	if err != nil || cmd.Name() != "pub" && cmd.Name() != "call" && cmd.Name() != "reg" {
		return args
	}
	list := make([]string, 0, len(args))
	for i, arg := range args {
		if arg == "--" {
			return append(list, args[i:]...)
		}
		if negative(arg) && (i == 0 || !takesValue(cmd.Flags(), args[i-1])) {
			arg = masked + arg
		}
		list = append(list, arg)
	}
	return list
}

// Unmask removes the prefix that MaskNumbers adds.
func Unmask(args []string) []string {
	list := make([]string, len(args))
	for i, arg := range args {
		list[i] = strings.TrimPrefix(arg, masked)
	}
	return list
}

// negative reports whether an argument is a negative number.
func negative(arg string) bool {
	if len(arg) < 2 || arg[0] != '-' || arg[1] != '.' && (arg[1] < '0' || arg[1] > '9') {
		return false
	}
	_, err := strconv.ParseFloat(arg, 64)
	return err == nil || errors.Is(err, strconv.ErrRange)
}

// takesValue reports whether an argument is a flag whose value is the next one.
func takesValue(flags *pflag.FlagSet, arg string) bool {
	name, long := strings.CutPrefix(arg, "--")
	var flag *pflag.Flag
	switch {
	case long:
		flag = flags.Lookup(name)
	case len(arg) == 2 && arg[0] == '-':
		flag = flags.ShorthandLookup(arg[1:])
	}
	return flag != nil && flag.NoOptDefVal == ""
}
