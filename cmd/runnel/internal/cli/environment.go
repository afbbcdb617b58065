package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// fromEnvironment lists the flags that a variable can set: those that say where and how to connect.
var fromEnvironment = []string{"config", "url", "realm", "serializer", "authid", "ticket", "secret", "key", "ca", "certificate", "certkey", "channel-binding"}

// FlagsFromEnvironment sets each flag that is not on the command line from the variable RUNNEL_NAME. "-" in its name is "_".
func FlagsFromEnvironment(flags *pflag.FlagSet) error {
	for _, name := range fromEnvironment {
		flag := flags.Lookup(name)
		if flag == nil || flag.Changed {
			continue
		}
		variable := "RUNNEL_" + strings.ReplaceAll(strings.ToUpper(name), "-", "_")
		value, ok := os.LookupEnv(variable)
		if !ok || value == "" {
			continue
		}
		if err := flags.Set(name, value); err != nil {
			return UsageError(fmt.Sprintf("%s: %v", variable, err))
		}
	}
	return nil
}
