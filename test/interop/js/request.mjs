// The browser's XMLHttpRequest, as far as autobahn-js uses it for long-poll. Requests to one URL are made one after the other:
// autobahn-js makes one for each message without awaiting the last, and trusts that they arrive in order.
const last = new Map();

export class XMLHttpRequest {
  open(method, url) {
    Object.assign(this, { method, url, headers: {} });
  }

  setRequestHeader(name, value) {
    this.headers[name] = value;
  }

  send(body) {
    const turn = (last.get(this.url) ?? Promise.resolve()).then(() => this.#make(body));
    last.set(this.url, turn);
    turn.finally(() => last.get(this.url) === turn && last.delete(this.url));
  }

  async #make(body) {
    try {
      const signal = this.timeout ? AbortSignal.timeout(this.timeout) : undefined;
      const answer = await fetch(this.url, { method: this.method, headers: this.headers, body, signal });
      this.responseText = await answer.text();
      Object.assign(this, { status: answer.status, statusText: answer.statusText });
    } catch (error) {
      if (error.name === 'TimeoutError') return this.ontimeout?.();
      Object.assign(this, { status: 0, statusText: String(error) });
    }
    this.readyState = 4;
    this.onreadystatechange();
  }
}
