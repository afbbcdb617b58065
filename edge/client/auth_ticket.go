package client

// Ticket authenticates by a secret that is sent in clear text (advanced/authentication_ticket.md). Use it only over an
// encrypted or local transport.
func Ticket(ticket string) Auth { return ticketAuth(ticket) }

type ticketAuth string

func (t ticketAuth) Method() string                   { return "ticket" }
func (t ticketAuth) Extra() map[string]any            { return nil }
func (t ticketAuth) Answer(Challenge) (string, error) { return string(t), nil }
