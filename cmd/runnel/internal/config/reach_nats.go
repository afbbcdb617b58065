package config

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"

	"runnel/edge/wamp"
	"runnel/transport"
	"runnel/uplink"
	"runnel/uplink/nats"
)

// ReachNATS sets how an uplink reaches its NATS servers and logs in there.
func (u *Uplink) ReachNATS(opts *nats.Options, how transport.DialOptions) (err error) {
	opts.Username = u.Username
	for _, s := range []struct {
		secret Secret
		into   *string
	}{{u.Password, &opts.Password}, {u.Token, &opts.Token}} {
		if *s.into, err = s.secret.Value(); err != nil {
			return fmt.Errorf("read login: %w", err)
		}
	}
	for _, f := range []struct {
		file Path
		into *string
	}{{u.NKey, &opts.Seed}, {u.Credentials, &opts.Creds}} {
		if *f.into, err = readLogin(f.file); err != nil {
			return err
		}
	}
	opts.Servers, err = u.natsServers(how)
	return err
}

// readLogin returns the content of a login file; "" if none is configured.
func readLogin(file Path) (string, error) {
	if file == "" {
		return "", nil
	}
	b, err := os.ReadFile(string(file))
	return strings.TrimSpace(string(b)), err
}

// natsServers returns the servers at the uplink's URLs.
func (u *Uplink) natsServers(how transport.DialOptions) (list []nats.Server, err error) {
	for _, url := range u.URL {
		address, secure := ParseNATS(url)
		s := nats.Server{URL: transport.RedactURL(url), TLSFirst: u.TLSFirst}
		s.Dial = func(ctx context.Context) (net.Conn, error) { return transport.DialStream(ctx, address, false, how) }
		if secure {
			if s.TLS, err = how.ClientTLS(address); err != nil {
				return nil, err
			}
		}
		list = append(list, s)
	}
	return list, nil
}

// NATSRules returns the rules of an uplink to NATS servers.
func (u *Uplink) NATSRules(onDisk bool) (exports, imports []nats.Rule) {
	for _, r := range Rules(u.Exports, onDisk) {
		exports = append(exports, nats.Rule{Rule: r})
	}
	for i, r := range Rules(u.Imports, false) {
		r.MaxAge = u.Imports[i].KeptFor()
		imports = append(imports, nats.Rule{Rule: r})
	}
	return exports, imports
}

// Rules returns the rules of an uplink's tables. onDisk means that there is a data directory.
func Rules(shares []Share, onDisk bool) (list []uplink.Rule) {
	for _, s := range shares {
		r := uplink.Rule{
			Match: wamp.Match(s.Match), LocalPrefix: s.LocalPrefix, RemotePrefix: s.RemotePrefix,
			Static: s.Interest != nil && !*s.Interest,
		}
		if s.Topic != nil {
			r.Topic, r.Store = *s.Topic, s.Class(onDisk)
		} else {
			r.Procedure = *s.Procedure
		}
		list = append(list, r)
	}
	return list
}
