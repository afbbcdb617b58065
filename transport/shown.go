package transport

import (
	"net/url"
	"strings"
)

// RedactURL returns a URL without its secrets, for logs, errors and status. It removes the user name and the password.
// It also removes parts that often contain a token: the query of a WebSocket's URL, and path and query of a web
// server's. The text need not be a valid URL.
func RedactURL(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text
	}
	switch {
	case strings.HasPrefix(strings.ToLower(scheme), "http"):
		if i := strings.IndexAny(rest, "/?#"); i >= 0 && rest[i:] != "/" {
			if strings.Contains(rest[i:], "@") { // a slash in a password, or an @ in the path
				return scheme + "://..."
			}
			rest = rest[:i] + "/..."
		}
	case strings.HasSuffix(scheme, "ws") || strings.HasSuffix(scheme, "wss"): // also mqtt+ws and mqtt+wss
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
