// Signing in: ticket, WAMP-CRA and WAMP-SCRAM. The browser's WebCrypto does the cryptography, so a password needs a secure
// context: https, or a page of this machine.

const bytes = (text) => new TextEncoder().encode(text);
const base64 = (data) => btoa(String.fromCharCode(...new Uint8Array(data)));
const unbase64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

async function hmac(key, data) {
  const imported = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, data));
}

async function pbkdf2(password, salt, iterations, length) {
  const key = await crypto.subtle.importKey('raw', password, 'PBKDF2', false, ['deriveBits']);
  return new Uint8Array(await crypto.subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt, iterations }, key, length * 8));
}

const hash = async (data) => new Uint8Array(await crypto.subtle.digest('SHA-256', data));
const prepared = (text) => text.normalize('NFKC');

// Login answers the challenges of one attempt to join.
export class Login {
  constructor(credentials) {
    this.credentials = credentials;
    this.nonce = base64(crypto.getRandomValues(new Uint8Array(18)));
  }

  // fill completes the details of HELLO.
  fill(details) {
    if (!this.credentials) {
      details.authmethods = ['cookie', 'tls', 'anonymous'];
      return;
    }
    details.authid = this.credentials.authid;
    details.authmethods = ['wamp-scram', 'wampcra', 'ticket'];
    details.authextra = { nonce: this.nonce, channel_binding: null };
    if (!globalThis.isSecureContext) details.authmethods = ['ticket'];
  }

  // answer returns the signature and the extra of AUTHENTICATE.
  async answer(method, extra) {
    if (method === 'ticket') {
      if (!globalThis.isSecureContext) throw new Error('This page is not encrypted, so the console does not send a ticket. Open it by https, or through ssh -L 8080:127.0.0.1:8080.');
      return [this.credentials.secret, {}];
    }
    if (method === 'wampcra') return [await this.cra(extra), {}];
    if (method === 'wamp-scram') return this.scram(extra);
    throw new Error(`The router asks for the method ${method}, which the console does not support.`);
  }

  async cra({ challenge, salt, iterations = 1000, keylen = 32 }) {
    let key = bytes(this.credentials.secret);
    if (salt) {
      if (iterations > 1e6 || keylen > 64) throw new Error('The router asks for too much work.');
      key = bytes(base64(await pbkdf2(key, bytes(salt), iterations, keylen)));
    }
    return base64(await hmac(key, bytes(challenge)));
  }

  async scram(extra) {
    const { nonce, salt, kdf, iterations } = extra;
    if (kdf !== 'pbkdf2') {
      throw new Error(`The password's keys were derived with ${kdf}, which browsers do not support. Derive them again: runnel passwd ${this.credentials.authid} --kdf pbkdf2`);
    }
    if (!nonce.startsWith(this.nonce) || nonce.length === this.nonce.length) throw new Error('The router sent a wrong nonce.');
    if (iterations > 1e7) throw new Error('The router asks for too much work.');
    const salted = await pbkdf2(bytes(prepared(this.credentials.secret)), unbase64(salt), iterations, 32);
    const name = prepared(this.credentials.authid).replace(/=/g, '=3D').replace(/,/g, '=2C');
    const message = bytes(`n=${name},r=${this.nonce},r=${nonce},s=${salt},i=${iterations},c=${btoa('n,,')},r=${nonce}`);
    const clientKey = await hmac(salted, bytes('Client Key'));
    const signature = await hmac(await hash(clientKey), message);
    this.verifier = base64(await hmac(await hmac(salted, bytes('Server Key')), message));
    return [base64(clientKey.map((b, i) => b ^ signature[i])), { nonce, channel_binding: null, cbind_data: null }];
  }

  // verify checks that the router has the keys, too.
  async verify(details) {
    if (!this.verifier) return;
    const { verifier = '' } = details.authextra || {};
    if (verifier.replace(/^v=/, '') !== this.verifier) throw new Error('The router could not prove that it has the password\'s keys.');
  }
}
