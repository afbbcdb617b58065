package report

import (
	"fmt"
	"io"

	"runnel/cmd/runnel/internal/term"
	"runnel/transport/guest/rest"
)

// Webhook posts events to an HTTP server.
type Webhook struct {
	rest.WebhookState
	Topic string `json:"topic"`
	URL   string `json:"url"` // its password, path and query are left out
}

func (r *Status) printWebhooks(w io.Writer) {
	if len(r.Webhooks) > 0 {
		fmt.Fprintln(w, "\nWEBHOOK\tTOPIC\tDELIVERED\tREFUSED\tRETRIES")
	}
	for _, h := range r.Webhooks {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\n", term.Printable(h.Name), term.Printable(h.Topic), h.Delivered, h.Refused, h.Retries)
	}
	for _, h := range r.Webhooks {
		var b notes
		b.add(h.Problem != "", "ALARM for %v: %s", term.Since(h.Since), term.Harmless(h.Problem))
		b.add(h.Refusal != "", "last refusal: %s", term.Harmless(h.Refusal))
		if b.Len() > 0 {
			fmt.Fprintf(w, "%s:\n%s", term.Printable(h.Name), b.String())
		}
	}
}

func (h *Webhook) labels() string {
	return "webhook=" + labelText(h.Name) + ",realm=" + labelText(h.Realm)
}

func webhookFigures(add adder, h *Webhook) {
	add("delivered_total", "Events that the server has accepted.", float64(h.Delivered))
	add("refused_total", "Events that the server has rejected for good.", float64(h.Refused))
	add("retries_total", "Attempts that failed.", float64(h.Retries))
	add("alarm", "1 if an event is not delivered, or the webhook has no subscription.", one(h.Problem != ""))
}
