// The part of the browser's XMLHttpRequest that autobahn-js uses for long-poll. It sends requests to one URL one after the
// other, because autobahn-js sends each message without awaiting the previous one, and relies on their order.
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
