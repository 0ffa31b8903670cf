// SPDX-License-Identifier: Apache-2.0
//
// Talks to the JSON interface, and nothing else does.
// Not here: when to ask (lbx.js), what to show.

const base = new URL('api/v1/', import.meta.url);

export class ApiError extends Error {
  constructor(status, told) {
    super(told?.message ?? `the server answered ${status}`);
    this.status = status;
    this.field = told?.field;
  }
}

async function ask(path, options = {}) {
  const answer = await fetch(new URL(path, base), {
    credentials: 'same-origin', cache: 'no-store', redirect: 'error', ...options,
  });
  let body = null;
  try {
    body = await answer.json();
  } catch {
    // an error page of httpd's own, of its authentication perhaps
  }
  if (!answer.ok || !body) throw new ApiError(answer.status, body?.error);
  return { body, etag: answer.headers.get('ETag') };
}

const timeout = () => AbortSignal.timeout?.(15000);

export const root = () => ask('', { signal: timeout() }).then((a) => a.body);
export const balancers = () => ask('balancers', { signal: timeout() }).then((a) => a.body);
export const events = (after) => ask(`events?after=${after}`, { signal: timeout() })
  .then((a) => a.body.events);

const memberPath = (b, m) => `balancers/${encodeURIComponent(b.name)}/members/${m.id}`;

// A member as it is now, and the balancer's revision with it.
export const member = (b, m) => ask(memberPath(b, m), { signal: timeout() });

// The revision that an editor's form is based on.
export const revision = (b) => ask(`balancers/${encodeURIComponent(b.name)}`).then((a) => a.etag);

function send(method, path, b, body, etag) {
  const headers = { 'Content-Type': 'application/json' };
  if (b.nonce) headers['X-LBX-Nonce'] = b.nonce;
  if (etag) headers['If-Match'] = etag;
  return ask(path, { method, headers, body: body && JSON.stringify(body) });
}

export const change = (b, m, fields, etag) => send('PATCH', memberPath(b, m), b, fields, etag);
export const add = (b, fields) =>
  send('POST', `balancers/${encodeURIComponent(b.name)}/members`, b, fields);
export const remove = (b, m, etag) => send('DELETE', memberPath(b, m), b, null, etag);
// { now: true } or { paused: ... }
export const check = (b, m, what) => send('POST', `${memberPath(b, m)}/check`, b, what);
