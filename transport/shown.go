package transport

import (
	"net/url"
	"strings"
)

// RedactURL returns a URL without its secrets, for logs, errors and status. It removes the user name, the password, and the
// query of a WebSocket's or a web server's URL, which often holds a token. The text need not be a valid URL.
func RedactURL(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text
	}
	if strings.HasSuffix(scheme, "ws") || strings.HasSuffix(scheme, "wss") || strings.HasPrefix(strings.ToLower(scheme), "http") { // also mqtt+ws and mqtt+wss
		if before, _, query := strings.Cut(rest, "?"); query {
			rest = before + "?..."
		}
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = "..." + rest[i:]
	}
	return scheme + "://" + rest
}

// shownError is an error whose text contains no secrets of a URL.
type shownError struct {
	cause error
	text  string
}

func (e *shownError) Error() string { return e.text }
func (e *shownError) Unwrap() error { return e.cause }

// withoutSecrets removes the secrets of u from the text of err, because errors of net/http contain the whole URL.
func withoutSecrets(err error, u *url.URL) error {
	var hide []string
	if u.User != nil {
		hide = append(hide, u.User.String()+"@", "...@", u.User.Username()+":***@", "...@", u.User.Username()+":xxxxx@", "...@")
	}
	if u.RawQuery != "" && u.Scheme != "serial" {
		hide = append(hide, u.RawQuery, "...")
	}
	if hide == nil {
		return err
	}
	return &shownError{err, strings.NewReplacer(hide...).Replace(err.Error())}
}
