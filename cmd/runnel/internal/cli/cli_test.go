package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

// newProgram returns a program with two commands, and the input of the last one.
func newProgram() (root *cobra.Command, got *[]string) {
	got = new([]string)
	root = &cobra.Command{Use: "runnel", SilenceErrors: true, SilenceUsage: true}
	root.CompletionOptions.DisableDefaultCmd = true
	OnlySubcommands(root)
	add := func(use string, args cobra.PositionalArgs) *cobra.Command {
		c := &cobra.Command{Use: use, Short: "Do it", Args: args, RunE: func(_ *cobra.Command, args []string) error {
			*got = Unmask(args)
			return nil
		}}
		root.AddCommand(c)
		return c
	}
	pub := add("pub TOPIC [ARGUMENT...]", cobra.MinimumNArgs(1))
	pub.Flags().String("url", "", "")
	pub.Flags().String("channel-binding", "", "")
	pub.Flags().StringP("file", "f", "", "")
	pub.Flags().Bool("retain", false, "")
	pub.Flags().BoolP("quiet", "q", false, "")
	pub.Flags().Int("count", 0, "")
	pub.Flags().Duration("timeout", 0, "")
	pub.Flags().String("secretly", "", "")
	pub.Flags().Lookup("secretly").Hidden = true
	add("call PROCEDURE", cobra.ExactArgs(1))
	add("show [NAME]", cobra.MaximumNArgs(1))
	add("hidden", cobra.NoArgs).Hidden = true
	add("odd", cobra.ExactArgs(1)).Hidden = true
	add("odder [NAME]", cobra.ExactArgs(1)).Hidden = true
	root.SetHelpCommand(HelpCommand())
	PlainErrors(root)
	root.SetOut(io.Discard)
	return root, got
}

// A negative number is an argument, not a bundle of flags, unless a flag needs a value or the command accepts no
// numbers.
func TestNegativeNumbers(t *testing.T) {
	for _, c := range []struct {
		line string
		want string // the arguments; "error: ..." for one
	}{
		{"pub a -5", "a -5"},
		{"pub a -0.5 -.5 -1e3 -1e999", "a -0.5 -.5 -1e3 -1e999"},
		{"pub -q a -5 -9 -0", "a -5 -9 -0"},
		{"pub --retain -5", "-5"},
		{"pub -f -5 a", "a"},
		{"pub --file -5 a", "a"},
		{"pub --file=x -5 a", "-5 a"},
		{"pub a -- -5 -x", "a -5 -x"},
		{"pub a -x", "error: unknown shorthand flag: 'x' in -x"},
		{"pub a -5x", "error: unknown shorthand flag: '5' in -5x"},
		{"pub a -", "a -"},
		{"pub a -.", "error: unknown shorthand flag: '.' in -."},
		{"call -5", "-5"},
		{"show -5", "error: unknown shorthand flag: '5' in -5"},
		{"-5 pub", "error: unknown shorthand flag: '5' in -5"},
	} {
		root, got := newProgram()
		root.SetArgs(MaskNumbers(root, strings.Fields(c.line)))
		result := ""
		if err := root.Execute(); err != nil {
			result = "error: " + err.Error()
		} else {
			result = strings.Join(*got, " ")
		}
		if result != c.want {
			t.Errorf("%s: %q, want %q", c.line, result, c.want)
		}
	}
}

// The error names a mistake on the command line, and the most likely intention.
func TestMistakes(t *testing.T) {
	for line, want := range map[string]string{
		"":                 "runnel: a command is missing; use \"call\", \"pub\" or \"show\"",
		"publ":             `runnel: unknown command "publ"; did you mean "pub"? use "call", "pub" or "show"`,
		"zzzzzzz":          `runnel: unknown command "zzzzzzz"; use "call", "pub" or "show"`,
		"pub":              "an argument is missing: runnel pub TOPIC [ARGUMENT...]",
		"pub a b c":        "",
		"call":             "an argument is missing: runnel call PROCEDURE",
		"call a b c":       `unexpected argument "b"`,
		"show":             "",
		"show a b":         `unexpected argument "b"`,
		"hidden a":         `unexpected argument "a"`,
		"odd":              "accepts 1 arg(s), received 0",
		"odder":            "accepts 1 arg(s), received 0",
		"pub a --retian":   "unknown flag: --retian; did you mean --retain?",
		"pub a --secretl":  "unknown flag: --secretl",
		"pub a --zzzzzzz":  "unknown flag: --zzzzzzz",
		"pub a --count":    "flag needs an argument: --count",
		"pub a --count x":  `invalid argument "x" for "--count" flag: strconv.ParseInt: parsing "x": invalid syntax`,
		"help pub":         "",
		"help":             "",
		"help zzz":         `unknown command "zzz"; "runnel help" lists the commands`,
		"help pub further": `unknown command "pub further"; "runnel help" lists the commands`,
	} {
		root, _ := newProgram()
		root.SetArgs(strings.Fields(line))
		got := ""
		if err := root.Execute(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

// The help of a command shows the flag --help, too, before the command has run.
func TestHelp(t *testing.T) {
	root, _ := newProgram()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs([]string{"help", "show"})
	if err := root.Execute(); err != nil || !strings.Contains(out.String(), "Do it") || !strings.Contains(out.String(), "--help") {
		t.Errorf("%v: %s", err, &out)
	}
}

// A variable sets a flag that is not on the command line, if it is set itself.
func TestFlagsFromEnvironment(t *testing.T) {
	t.Setenv("RUNNEL_URL", "tcp://variable")
	t.Setenv("RUNNEL_CHANNEL_BINDING", "tls-unique")
	t.Setenv("RUNNEL_COUNT", "7") // no flag that a variable sets
	t.Setenv("RUNNEL_KEY", "x")   // no flag of the command
	for line, want := range map[string]string{"pub a": "tcp://variable", "pub a --url tcp://flag": "tcp://flag", "pub a --url=": ""} {
		root, _ := newProgram()
		pub, _, _ := root.Find([]string{"pub"})
		if err := pub.ParseFlags(strings.Fields(line)[1:]); err != nil {
			t.Fatal(err)
		}
		if err := FlagsFromEnvironment(pub.Flags()); err != nil {
			t.Error(err)
		}
		url, _ := pub.Flags().GetString("url")
		binding, _ := pub.Flags().GetString("channel-binding")
		count, _ := pub.Flags().GetInt("count")
		if url != want || binding != "tls-unique" || count != 0 {
			t.Errorf("%s: url %q, channel-binding %q, count %d", line, url, binding, count)
		}
	}
	t.Setenv("RUNNEL_URL", "")
	bad := &cobra.Command{Use: "x"}
	bad.Flags().Int("realm", 0, "")
	bad.Flags().String("url", "default", "")
	t.Setenv("RUNNEL_REALM", "x")
	var usage UsageError
	if err := FlagsFromEnvironment(bad.Flags()); !errors.As(err, &usage) || !strings.HasPrefix(err.Error(), "RUNNEL_REALM: ") {
		t.Errorf("a variable that does not fit: %v", err)
	}
	if url, _ := bad.Flags().GetString("url"); url != "default" {
		t.Errorf("an empty variable sets %q", url)
	}
}

// Numbers that count or last can't be negative.
func TestNotNegative(t *testing.T) {
	for line, want := range map[string]string{
		"": "", "--count=0": "", "--count=5 --timeout=1s": "", "--count=-1": "--count -1 is negative", "--timeout=-1s": "--timeout -1s is negative",
	} {
		root, _ := newProgram()
		pub, _, _ := root.Find([]string{"pub"})
		if err := pub.ParseFlags(strings.Fields(line)); err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := NotNegative(pub, "count", "timeout", "absent"); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// A command ends because of its timeout, because of a signal, or with its own error.
func TestEndings(t *testing.T) {
	other := errors.New("refused")
	running, cancelled := t.Context(), func() context.Context { ctx, stop := context.WithCancel(t.Context()); stop(); return ctx }()
	late, stop := UntilSignal(time.Nanosecond)
	defer stop()
	<-late.Done()
	for _, c := range []struct {
		name            string
		ctx             context.Context
		err             error
		ending, because error
	}{
		{"its own error", running, other, nil, other},
		{"the answer says that the time is over", running, client.NewError(wamp.Timeout.Error()), nil, ErrTimedOut},
		{"stopped", cancelled, other, nil, context.Canceled},
		{"the timeout has passed", late, other, ErrTimedOut, ErrTimedOut},
	} {
		if got := Ending(c.ctx); got != c.ending {
			t.Errorf("%s: ends with %v", c.name, got)
		}
		if got := Because(c.ctx, c.err); got != c.because {
			t.Errorf("%s: because of %v", c.name, got)
		}
	}
	for timeout, want := range map[time.Duration]bool{0: false, -time.Second: false, time.Hour: true} {
		ctx, stop := UntilSignal(timeout)
		if _, limited := ctx.Deadline(); limited != want {
			t.Errorf("timeout %v: limited %v", timeout, limited)
		}
		if stop(); ctx.Err() == nil {
			t.Errorf("timeout %v: stop does not end the context", timeout)
		}
	}
}
