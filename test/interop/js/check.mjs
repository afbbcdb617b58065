// A runner of named cases. A case passes if its body returns within the time limit, no other error was reported meanwhile,
// and every peer that it opened could leave cleanly. Each case prints one line, "ok ..." or "FAIL ...".
import { isDeepStrictEqual, inspect } from 'node:util';

const LIMIT = 30_000; // milliseconds per case; every case takes only a fraction of it
let passed = 0;
let failed = 0;
let stray = []; // errors outside the body of the case, such as in an event handler of a client

process.on('unhandledRejection', (reason) => stray.push(reason));
process.on('uncaughtException', (error) => stray.push(error));

/** complain records an error that a client reports by a callback. */
export function complain(error) {
  stray.push(error);
}

/** check runs one case. body gets t, whose after(f) runs f when the case is over. */
export async function check(name, body) {
  const cleanups = [];
  const t = { after: (f) => cleanups.push(f) };
  stray = [];
  let problem = await problemOf(() => body(t));
  for (const f of cleanups.reverse()) {
    const late = await problemOf(f);
    problem ??= late && `afterwards: ${late}`;
  }
  if (stray.length > 0) problem = `${problem ? `${problem}; ` : ''}beside the case: ${describe(stray[0])}`;
  if (problem) failed++;
  else passed++;
  console.log(problem ? `FAIL ${name}: ${problem.replaceAll('\n', ' ')}` : `ok   ${name}`);
}

/** finish prints that the suite is complete, and ends the process. */
export function finish(suite) {
  console.log(`end  ${suite}: ${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}

async function problemOf(f) {
  try {
    await within(LIMIT, f());
    return null;
  } catch (error) {
    return describe(error);
  }
}

async function within(ms, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not over after ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function describe(error) {
  if (error instanceof Error) {
    const where = (error.stack ?? '').split('\n').find((line) => ['/cases.mjs', '/cross.mjs', '/proofs.mjs'].some((file) => line.includes(file)));
    return `${error.name}: ${error.message}${where ? ` (${where.trim()})` : ''}`;
  }
  return inspect(error, { depth: 6, breakLength: Infinity });
}

/** equal compares by value, strictly: 1 is not true, [] is not null. */
export function equal(got, want, what) {
  if (!isDeepStrictEqual(got, want)) throw new Error(`${what} is ${show(got)}, not ${show(want)}`);
}

export function truth(condition, what) {
  if (condition !== true) throw new Error(`not so: ${what}`);
}

/** rejection returns the error that promise is rejected with. It throws if promise is fulfilled. */
export async function rejection(promise, what) {
  let value;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`${what} was answered with ${show(value)}, not refused`);
}

export function show(value) {
  const text = inspect(value, { depth: 6, breakLength: Infinity, maxArrayLength: 20, maxStringLength: 80 });
  return text.length > 400 ? `${text.slice(0, 400)}...` : text;
}

/** Inbox is a queue: next waits for the next item. */
export class Inbox {
  #items = [];
  #waiting = [];

  put(item) {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(item);
    else this.#items.push(item);
  }

  next() {
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift());
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async take(count) {
    const items = [];
    while (items.length < count) items.push(await this.next());
    return items;
  }
}
