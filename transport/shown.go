package transport

import (
	"net/url"
	"strings"
)

// Shown returns a URL as logs, errors and operators may see it: without a name or a password, and without the query of a
// WebSocket's URL, in which tokens are common. It takes text that is no URL as well.
func Shown(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text
	}
	if scheme == "ws" || scheme == "wss" {
		if before, _, query := strings.Cut(rest, "?"); query {
			rest = before + "?..."
		}
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = "..." + rest[i:]
	}
	return scheme + "://" + rest
}

// shownError is an error whose text repeats nothing secret of a URL.
type shownError struct {
	cause error
	text  string
}

func (e *shownError) Error() string { return e.text }
func (e *shownError) Unwrap() error { return e.cause }

// withoutSecrets removes from the text of err what Shown removes from a URL: errors of net/http name the whole of it.
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
