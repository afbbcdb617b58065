// Package manual writes the manual pages of all commands in Markdown for go-md2man. The pages have the same text as
// --help.
package manual

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Write writes the page of cmd and of all commands below it into dir.
func Write(cmd *cobra.Command, dir, version string) error {
	file := filepath.Join(dir, name(cmd)+".1.md")
	if err := os.WriteFile(file, []byte(page(cmd, version)), 0o644); err != nil {
		return err
	}
	for _, c := range cmd.Commands() {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
			continue
		}
		if err := Write(c, dir, version); err != nil {
			return err
		}
	}
	return nil
}

func name(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

func page(cmd *cobra.Command, version string) string {
	var b strings.Builder
	name := name(cmd)
	fmt.Fprintf(&b, "%% %s 1 \"\" \"runnel %s\" \"Runnel\"\n\n", strings.ToUpper(name), version)
	for _, section := range []struct{ title, text string }{
		{"NAME", name + " - " + strings.ToLower(cmd.Short[:1]) + cmd.Short[1:]},
		{"SYNOPSIS", "**" + cmd.UseLine() + "**"},
		{"DESCRIPTION", text(cmd.Long)},
		{"COMMANDS", commands(cmd)},
		{"OPTIONS", options(cmd.NonInheritedFlags()) + options(cmd.InheritedFlags())},
		{"EXAMPLES", indented(cmd.Example)},
		{"EXIT STATUS", "0 done, 1 failed, 2 wrong usage, 3 the configuration is invalid, 124 timed out."},
		{"SEE ALSO", references(cmd)},
	} {
		if section.text != "" {
			fmt.Fprintf(&b, "# %s\n\n%s\n\n", section.title, section.text)
		}
	}
	return b.String()
}

// text keeps indented blocks as they are and lets the formatter fill the rest. It escapes Markdown's characters.
func text(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "  ") {
			b.WriteString("    ")
		} else {
			line = strings.NewReplacer("*", `\*`, "_", `\_`, "<", `\<`).Replace(line)
		}
		b.WriteString(line)
	}
	return b.String()
}

func indented(text string) string {
	if text == "" {
		return ""
	}
	return "    " + strings.ReplaceAll(text, "\n", "\n    ")
}

func commands(cmd *cobra.Command) string {
	var b strings.Builder
	for _, c := range cmd.Commands() {
		if !c.Hidden && c.Name() != "help" && c.Name() != "completion" {
			fmt.Fprintf(&b, "**%s**\n: %s. See %s(1).\n\n", c.Name(), c.Short, name(c))
		}
	}
	return b.String()
}

func options(flags *pflag.FlagSet) string {
	var b strings.Builder
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		b.WriteString("**")
		if f.Shorthand != "" {
			b.WriteString("-" + f.Shorthand + "**, **")
		}
		b.WriteString("--" + f.Name + "**")
		if value != "" {
			b.WriteString(" *" + value + "*")
		}
		b.WriteString("\n: " + usage)
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "0s" && f.DefValue != "[]" {
			b.WriteString(" (default " + f.DefValue + ")")
		}
		b.WriteString(".\n\n")
	})
	return b.String()
}

func references(cmd *cobra.Command) string {
	pages := []string{"**runnel.toml**(5)"}
	if p := cmd.Parent(); p != nil {
		pages = append(pages, "**"+name(p)+"**(1)")
	}
	return strings.Join(pages, ", ")
}
