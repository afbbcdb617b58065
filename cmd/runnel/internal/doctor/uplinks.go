package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"syscall"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport"
)

// checkUplinks tries every URL of every uplink concurrently.
func checkUplinks(ctx context.Context, e *examination) {
	if e.config == nil {
		return
	}
	var work sync.WaitGroup
	for _, u := range e.config.Uplinks {
		for _, text := range u.URL {
			work.Go(func() { e.tryURL(ctx, u, text) })
		}
	}
	work.Wait()
}

// tryURL connects as the link would and tests the permissions that the link needs. It uses a plain session instead of
// a link, so it does not displace the running link.
func (e *examination) tryURL(ctx context.Context, u config.Uplink, text string) {
	object := fmt.Sprintf("uplink %s, %s", u.Name, transport.RedactURL(text))
	at, err := url.Parse(text)
	if err != nil {
		return // the check of the configuration has reported it
	}
	if u.IsNATS() {
		e.tryNATS(ctx, object, u, at)
		return
	}
	if u.IsMQTT() {
		// A second client with the same id would disconnect the link, so only the connection is tested.
		if err := reach(ctx, &url.URL{Host: config.ParseBroker(text).Address}, ""); err != nil {
			e.addUnreached(object, u, at, err)
		}
		return
	}
	c, err := e.join(ctx, u, text)
	if err != nil {
		e.addUnreached(object, u, at, err)
		return
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), checkTime/3)
		defer cancel()
		c.Close(ctx)
	}()
	e.rights(ctx, object, u, c)
}

func (e *examination) join(ctx context.Context, u config.Uplink, text string) (*client.Client, error) {
	key := u.Key
	if u.Certificate != "" {
		key = "" // it belongs to the certificate
	}
	methods, err := config.AuthMethods(u.Authid, u.Ticket, u.Secret, key)
	if err != nil {
		return nil, err
	}
	if u.Binding != "" {
		methods = client.Bind(u.Binding, methods...)
	}
	var pair *transport.KeyPair
	if u.Certificate != "" {
		if pair, err = transport.OpenKeyPair(string(u.Certificate), string(u.Key)); err != nil {
			return nil, err
		}
	}
	serializer, _ := wamp.ParseSerializer(cmp.Or(u.Serializer, "cbor"))
	how := transport.DialOptions{Serializer: serializer, Pin: u.Pin}
	if how.TLS, err = pair.Client(string(u.CA)); err != nil {
		return nil, err
	}
	return client.Connect(ctx, client.Options{
		Dial:  func(ctx context.Context) (client.Conn, error) { return transport.Dial(ctx, text, how) },
		Realm: u.RemoteRealm, Authid: u.Authid, Auth: methods, Agent: e.Agent, Log: slog.New(slog.DiscardHandler),
		Reconnect: client.Reconnect{Disabled: true}, RequestTimeout: checkTime / 3,
	})
}

// addUnreached reports the reason why a centre cannot be reached or rejects the link. It is a warning if the running
// router has the link up at another URL.
func (e *examination) addUnreached(object string, u config.Uplink, at *url.URL, err error) {
	if name := (*net.DNSError)(nil); errors.As(err, &name) && !strings.HasSuffix(at.Hostname(), ".local") {
		return // checkNames has reported it
	}
	level := Error
	if len(u.URL) > 1 && e.running.isUp(u.Name) {
		level = Warning
	}
	text, remedy := e.diagnose(u, at, err)
	e.add(Finding{"uplink", level, object, text, remedy})
}

// diagnose returns the cause and the remedy for an error of connecting or joining.
func (e *examination) diagnose(u config.Uplink, at *url.URL, err error) (text, remedy string) {
	var (
		name      *net.DNSError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, wamp.NoSuchRealm):
		return fmt.Sprintf("the centre has no realm %q", u.RemoteRealm), "write the centre's realm as remote_realm, or add the realm at the centre"
	case u.IsNATS() && !isNetwork(err):
		return err.Error(), "compare url and login with the configuration of the server; its log says more"
	case client.Refused(err):
		return fmt.Sprintf("the centre rejects %s: %v", cmp.Or(u.Authid, "an anonymous link"), err), e.admit(u)
	case errors.As(err, &name), strings.Contains(err.Error(), "lookup "+at.Hostname()):
		return fmt.Sprintf("the name %s does not resolve", at.Hostname()), "getent hosts " + at.Hostname() + " repeats the look-up; check the network, or write the address into url"
	case strings.Contains(err.Error(), "does not match the pin"):
		return err.Error(), "compare it with the pin that the centre prints; if the centre has a new certificate, write the new pin"
	case errors.As(err, &authority):
		return "the centre's certificate is signed by an unknown authority", "write the authority's certificate as ca, or the certificate's SHA-256 as pin"
	case errors.As(err, &host):
		return "the centre's certificate is for other names: " + host.Error(), "write one of its names into url, or its SHA-256 as pin"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the centre's certificate is not valid now: " + invalid.Error(), "date shows the clock; if that is right, renew the certificate at the centre"
	case errors.As(err, &record):
		return "the centre does not speak TLS at this port", "write tcp:// instead of tls://, or the port of the centre's TLS listener"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: connection refused", "start the centre or the broker, or correct the port in url"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "there is no route to the centre: " + err.Error(), "ip route shows the routes; check cable, modem and gateway"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return "the centre closes the connection at once: " + err.Error(), "check that url names a WAMP listener, and uses TLS if that listener does"
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return "the centre does not answer", "check its address and the firewalls on the way: ping " + at.Hostname()
	}
	return err.Error(), "runnel call wamp.session.count --url " + transport.RedactURL(at.String()) + " tries it by hand"
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
