package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// manCommand writes the manual pages of all commands in Markdown, as go-md2man reads it. It is for the packages' build, so
// the pages say what --help says.
func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man FOLDER",
		Short:  "Write the manual pages of all commands, in Markdown",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			return writeManual(cmd.Root(), args[0])
		},
	}
}

// writeManual writes the page of cmd and of all commands below it.
func writeManual(cmd *cobra.Command, dir string) error {
	file := filepath.Join(dir, manualName(cmd)+".1.md")
	if err := os.WriteFile(file, []byte(manualPage(cmd)), 0o644); err != nil {
		return err
	}
	for _, c := range cmd.Commands() {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
			continue
		}
		if err := writeManual(c, dir); err != nil {
			return err
		}
	}
	return nil
}

func manualName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

func manualPage(cmd *cobra.Command) string {
	var b strings.Builder
	name := manualName(cmd)
	fmt.Fprintf(&b, "%% %s 1 \"\" \"runnel %s\" \"Runnel\"\n\n", strings.ToUpper(name), version)
	section := func(title, text string) {
		if text != "" {
			fmt.Fprintf(&b, "# %s\n\n%s\n\n", title, text)
		}
	}
	section("NAME", name+" - "+strings.ToLower(cmd.Short[:1])+cmd.Short[1:])
	section("SYNOPSIS", "**"+cmd.UseLine()+"**")
	section("DESCRIPTION", manualText(cmd.Long))
	section("COMMANDS", manualCommands(cmd))
	section("OPTIONS", manualFlags(cmd.NonInheritedFlags())+manualFlags(cmd.InheritedFlags()))
	section("EXAMPLES", indented(cmd.Example))
	section("EXIT STATUS", "0 done, 1 failed, 2 wrong usage, 3 the configuration is invalid, 124 timed out.")
	section("SEE ALSO", manualReferences(cmd))
	return b.String()
}

// manualText keeps indented blocks as they are and lets the formatter fill the rest. Brackets and stars mean themselves.
func manualText(text string) string {
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

func manualCommands(cmd *cobra.Command) string {
	var b strings.Builder
	for _, c := range cmd.Commands() {
		if !c.Hidden && c.Name() != "help" && c.Name() != "completion" {
			fmt.Fprintf(&b, "**%s**\n: %s. See %s(1).\n\n", c.Name(), c.Short, manualName(c))
		}
	}
	return b.String()
}

func manualFlags(flags *pflag.FlagSet) string {
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

func manualReferences(cmd *cobra.Command) string {
	pages := []string{"**runnel.toml**(5)"}
	if p := cmd.Parent(); p != nil {
		pages = append(pages, "**"+manualName(p)+"**(1)")
	}
	return strings.Join(pages, ", ")
}
