// The doctor: the router checks its own installation when a page asks for it.

const levels = { error: 'bad', warning: 'warn', note: 'idle' };

// Doctor holds the result of the last check.
export class Doctor extends EventTarget {
  constructor(client, procedure = 'runnel.doctor') {
    super();
    this.client = client;
    this.procedure = procedure;
    this.report = undefined;
    this.error = undefined;
    this.at = 0; // when the last check ended, in milliseconds
    this.busy = false;
  }

  // forget makes the next view check again: another session may have another role.
  forget() {
    this.at = 0;
    this.error = undefined;
  }

  async check() {
    if (this.busy) return;
    this.busy = true;
    this.dispatchEvent(new Event('change'));
    try {
      this.report = (await this.client.call(this.procedure)).args[0];
      this.error = undefined;
    } catch (e) {
      this.report = undefined;
      this.error = e;
    }
    this.busy = false;
    this.at = Date.now();
    this.dispatchEvent(new Event('change'));
  }

  get denied() { return Boolean(this.error) && this.error.uri === 'wamp.error.not_authorized'; }

  // findings returns the findings that the status does not show. It shows the errors of the running router, and is up to date.
  findings(all) {
    const list = this.report ? this.report.findings : [];
    return list.filter((f) => all || f.check !== 'router' || f.level !== 'error').map(finding);
  }

  // summary describes the last check in a line. age is how long ago it was, as text.
  summary(age) {
    if (this.busy) return 'Checking the installation';
    if (this.denied) return `The installation is not checked: this role may not call ${this.procedure}.`;
    if (this.error) return `The check failed: ${this.error.message}`;
    if (!this.report) return 'The installation has not been checked yet';
    return `Installation checked ${age} ago: ${this.report.checks.join(', ')}`;
  }
}

// finding turns a finding of the doctor into one of the page. Its remedy is a text, a command, "command; text", or several lines.
function finding({ check, level, object, text, remedy = '' }) {
  const f = { level: levels[level] || 'warn', object: object || check, text };
  const [first, ...rest] = remedy.split('; ');
  if (remedy.includes('\n')) f.command = remedy;
  else if (/^(sudo|runnel) (?!.*( shows?| names| tries|:) )/.test(first)) [f.command, f.remedy] = [first, sentence(rest.join('; '))];
  else f.remedy = sentence(remedy);
  return f;
}

// sentence writes a text as a sentence, unless it begins with a command.
const sentence = (text) => (!text || /^(sudo|runnel|date|ip|df|getent|journalctl) /.test(text) ? text : `${text[0].toUpperCase()}${text.slice(1)}${/[.:]$/.test(text) ? '' : '.'}`);
