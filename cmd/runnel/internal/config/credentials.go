package config

import (
	"fmt"
	"os"

	"runnel/edge/client"
)

// Bindings lists the supported channel bindings.
var Bindings = []string{"tls-unique", "tls-exporter", "tls-server-end-point"}

// AuthMethods returns the authentication methods that a client's credentials allow, the strongest first. It reads the files.
func AuthMethods(authid string, ticket, secret Secret, key Path) (methods []client.Auth, err error) {
	if key != "" {
		data, err := os.ReadFile(string(key))
		if err != nil {
			return nil, fmt.Errorf("read key: %w", err)
		}
		private, err := client.ParseKey(data)
		if err != nil {
			return nil, fmt.Errorf("read key %s: %w", key, err)
		}
		methods = append(methods, client.Cryptosign(private))
	}
	if secret.Set() {
		value, err := secret.Value()
		if err != nil {
			return nil, fmt.Errorf("read secret: %w", err)
		}
		methods = append(methods, client.SCRAM(authid, value), client.CRA(value))
	}
	if ticket.Set() {
		value, err := ticket.Value()
		if err != nil {
			return nil, fmt.Errorf("read ticket: %w", err)
		}
		methods = append(methods, client.Ticket(value))
	}
	return methods, nil
}
