package client

// Ticket authenticates by a secret that is sent as it is (advanced/authentication_ticket.md): only over a transport
// that nobody else can read.
func Ticket(ticket string) Auth { return ticketAuth(ticket) }

type ticketAuth string

func (t ticketAuth) Method() string                   { return "ticket" }
func (t ticketAuth) Extra() map[string]any            { return nil }
func (t ticketAuth) Answer(Challenge) (string, error) { return string(t), nil }
