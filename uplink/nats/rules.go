package nats

import (
	"fmt"

	"runnel/edge/wamp"
	"runnel/uplink"
	"runnel/uplink/nats/subject"
	"runnel/uplink/spool"
)

// Rule selects the events or calls that cross the link.
type Rule struct {
	uplink.Rule
	Retain bool // exported and imported events are retained at the far side
}

// CheckExport returns the reason why the rule cannot export events or calls, or nil.
func (r *Rule) CheckExport() error {
	_, err := r.subject(r.ToRemote(r.URI()))
	return err
}

// CheckImport returns the reason why the rule cannot import events or calls, or nil.
func (r *Rule) CheckImport() error {
	_, err := r.subject(r.URI())
	return err
}

func (r *Rule) subject(uri string) (string, error) { return subject.Pattern(uri, r.Match) }

// way is an import or an export, with the values derived from it.
type way struct {
	*Rule
	subject string // at the cluster
	what    string // for State and the log
}

// addRules checks the rules of topics.
func (l *Link) addRules() error {
	for i := range l.opts.Export {
		r := &l.opts.Export[i]
		if r.Procedure != "" {
			continue
		}
		to, err := r.subject(r.ToRemote(r.Topic))
		if err != nil {
			return fmt.Errorf("export: %w", err)
		}
		w := &way{r, to, "export topic " + r.Topic + " (" + r.Match.String() + ")"}
		l.exports = append(l.exports, w)
		if w.Store != spool.Memory {
			l.kept = append(l.kept, w)
		}
		l.exported.Add(wamp.Pattern{URI: r.Topic, Match: r.Match}, w)
	}
	for i := range l.opts.Import {
		r := &l.opts.Import[i]
		if r.Procedure != "" {
			continue
		}
		from, err := r.subject(r.Topic)
		if err != nil {
			return fmt.Errorf("import: %w", err)
		}
		w := &way{r, from, "import topic " + r.Topic + " (" + r.Match.String() + ")"}
		l.imports = append(l.imports, w)
		if w.Store == spool.Durable {
			l.kept = append(l.kept, w)
		}
		l.imported.Add(wamp.Pattern{URI: r.Topic, Match: r.Match}, w)
	}
	return nil
}
