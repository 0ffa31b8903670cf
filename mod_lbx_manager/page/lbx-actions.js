// SPDX-License-Identifier: Apache-2.0
//
// Changes that an operator makes: asked once, done, told, and taken back on demand.  A removal
// cannot be: the member is disabled at once, and removed when there was time to think again,
// unless somebody, here or elsewhere, decided otherwise meanwhile.
// Not here: the network (lbx-api.js).

import * as api from './lbx-api.js';
import { h } from './lbx-dom.js';

const REGRET = 10000; // ms from the word to the removal
const METHODS = ['NONE', 'TCP', 'HEAD', 'GET', 'OPTIONS', 'CPING', 'HEAD11', 'GET11', 'OPTIONS11'];

const VERBS = {
  drain: {
    label: 'Drain', change: { drain: true },
    ask: 'New sessions go elsewhere. Sessions that belong to this member stay with it until they end.',
  },
  disable: {
    label: 'Disable', change: { disabled: true },
    ask: 'No request goes there any more, whoever it belongs to. Those that are there are finished.',
  },
  enable: { label: 'Enable', change: { drain: false, disabled: false, stopped: false } },
};

export const verbs = (m) => (m.drain || m.disabled || m.stopped
  ? ['enable', ...(m.drain && !m.disabled ? ['disable'] : [])] : ['drain', 'disable']);
export const verbLabel = (name) => VERBS[name].label;

// ---- parts of forms

const PLAIN = { spellcheck: 'false', autocapitalize: 'off', autocomplete: 'off' };
const COUNT = { type: 'number', min: 1, max: 1000, step: 1, required: true };

const field = (label, name, value, props) => h('label', { class: props?.wide && 'wide' },
  h('span', {}, label), h('input', { name, value, ...props, wide: null }));

const choice = (label, name, now) => h('label', {}, h('span', {}, label),
  h('select', { name }, ...METHODS.map((v) => h('option', { value: v, selected: v === now }, v))));

const changes = (fields, was) => Object.entries(fields)
  .map(([name, v]) => `${name} ${was[name] || 'none'} → ${v || 'none'}`).join(', ');

const addFields = (given, trouble) => h('div', { class: 'fields' },
  trouble ? h('p', { class: 'warning wide', role: 'alert' }, trouble) : null,
  field('URL', 'url', given.url ?? '', {
    wide: true, required: true, placeholder: 'http://10.0.0.7:8080', autofocus: true, ...PLAIN,
  }),
  field('Route', 'route', given.route ?? '', { maxlength: 63, ...PLAIN }),
  field('Weight', 'loadfactor', given.loadfactor ?? 1,
    { type: 'number', min: 1, max: 100, step: 0.01, required: true }),
  choice('Health check', 'hcmethod', given.hcmethod ?? 'NONE'),
  field('Its address', 'hcuri', given.hcuri ?? '', { ...PLAIN, placeholder: '/health' }),
  h('label', { class: 'wide tick' },
    h('input', { type: 'checkbox', name: 'disabled', checked: !given.url || 'disabled' in given }),
    h('span', {}, 'Disabled at first: no requests until you enable it')));

// What the form says, as the interface takes it.
function added(given) {
  const body = { url: given.url.trim(), loadfactor: Number(given.loadfactor) };
  if (given.route) body.route = given.route;
  if (given.hcmethod !== 'NONE') body.hcmethod = given.hcmethod;
  if (given.hcmethod !== 'NONE' && given.hcuri) body.hcuri = given.hcuri;
  if ('disabled' in given) body.disabled = true;
  return body;
}

const keyOf = (b, m) => `${b.name} ${m.id}`;

export class Actions {
  constructor(after) {
    this.after = after; // look again, now
    this.removals = new Map(); // keyOf() -> { timer, notice, disabled: as it was before }
    this.toasts = h('div', { class: 'toasts', role: 'status', 'aria-live': 'polite' });
    this.dialog = h('dialog', { class: 'lbx-dialog', 'aria-labelledby': 'lbx-dialog-title' });
    document.body.append(this.toasts, this.dialog);
  }

  // A question with the answer as a promise: false, or the form's values.
  ask(title, content, doIt, danger) {
    return new Promise((resolve) => {
      const form = h('form', { method: 'dialog' },
        h('h2', { id: 'lbx-dialog-title' }, title), content,
        h('div', { class: 'buttons' },
          h('button', { type: 'button', class: 'quiet', onclick: () => this.dialog.close() },
            'Cancel'),
          h('button', { type: 'submit', class: danger ? 'danger' : 'primary', value: 'yes' },
            doIt)));
      form.addEventListener('submit', () => resolve(new FormData(form)));
      this.dialog.replaceChildren(form);
      this.dialog.addEventListener('close', () => resolve(false), { once: true });
      this.dialog.returnValue = '';
      this.dialog.showModal();
    });
  }

  async run(name, b, m) {
    const verb = VERBS[name];
    if (verb.ask) {
      const last = b.members.filter((x) => x.usable).length === 1 && m.usable
        ? h('p', { class: 'warning' }, 'It is the last member that takes requests.') : null;
      const yes = await this.ask(`${verb.label} ${m.name}?`,
        h('div', {}, h('p', {}, verb.ask), last), verb.label, name === 'disable');
      if (!yes) return;
    }
    await this.apply(b, m, verb.change, `${verb.label}: ${m.name}`);
  }

  // Do it, tell it, look again.  Returns what the server says; null: it did not.
  async attempt(doIt, told, undo) {
    let answer = null;
    try {
      answer = await doIt();
      this.toast(told, undo);
    } catch (error) {
      this.toast(error.status === 412
        ? 'Somebody else changed this balancer meanwhile. Have a look and try again.'
        : `Not done: ${error.message}`, null, true);
    }
    await this.after();
    return answer;
  }

  apply(b, m, fields, told, etag, was = m) {
    const before = Object.fromEntries(Object.keys(fields).map((key) => [key, was[key]]));
    const kept = this.keep(b, m) ? ', not removed' : '';
    return this.attempt(() => api.change(b, m, fields, etag), told + kept,
      () => this.apply(b, m, before, `Taken back: ${told}`));
  }

  // ---- members that come and go

  async add(b) {
    let given = {};
    let trouble = null;
    for (;;) { // until it is added, or given up
      const values = await this.ask(`Add a member to ${b.name}`, addFields(given, trouble), 'Add');
      if (!values) return;
      given = Object.fromEntries(values);
      const body = added(given);
      try {
        const answer = await api.add(b, body);
        const { member } = answer.body;
        this.toast(`Added${member.disabled ? ', still disabled' : ''}: ${member.name}`,
          () => this.attempt(() => api.remove(b, member), `Taken back: added ${member.name}`));
        break;
      } catch (error) {
        trouble = error.message;
      }
    }
    await this.after();
  }

  async remove(b, m) {
    const yes = await this.ask(`Remove ${m.name}?`, h('div', {},
      h('p', {}, `It is disabled at once and removed after ${REGRET / 1000} seconds. Requests that `
        + 'are there are finished.'),
      m.added ? null : h('p', { class: 'warning' },
        'The configuration file has it: it comes back at the next reload.'),
      m.usable && b.members.filter((x) => x.usable).length === 1
        ? h('p', { class: 'warning' }, 'It is the last member that takes requests.') : null),
    'Remove', true);
    if (!yes) return;
    const disabled = this.removals.get(keyOf(b, m))?.disabled ?? m.disabled;
    this.keep(b, m);
    let answer;
    try {
      answer = await api.change(b, m, { disabled: true });
    } catch (error) {
      this.toast(`Not done: ${error.message}`, null, true);
      return;
    }
    this.removals.set(keyOf(b, m), {
      disabled,
      timer: setTimeout(() => {
        this.keep(b, m);
        this.removeAs(b, answer.body.member);
      }, REGRET),
      notice: this.toast(`Disabled, about to be removed: ${m.name}`, () => {
        this.keep(b, m);
        this.attempt(async () => disabled || api.change(b, m, { disabled: false }),
          `Stays: ${m.name}`);
      }, false, () => {
        this.keep(b, m);
        this.toast(`Not removed, stays as it is: ${m.name}`);
      }),
    });
    await this.after();
  }

  // The member is not going to be removed any more.  True: it was.
  keep(b, m) {
    const removal = this.removals.get(keyOf(b, m));
    if (!removal) return false;
    clearTimeout(removal.timer);
    removal.notice.remove();
    return this.removals.delete(keyOf(b, m));
  }

  // Remove it if it is still disabled by the decision that it was when we asked: by its time, not
  // by the balancer's revision, which other members move as well.
  async removeAs(b, m) {
    try {
      const { body, etag } = await api.member(b, m);
      if (!body.member.disabled || body.member.since !== m.since) throw new api.ApiError(412);
      await api.remove(b, m, etag);
      this.toast(`Removed: ${m.name}`);
    } catch (error) {
      this.toast(error.status === 412 ? `Not removed: ${m.name} was changed meanwhile`
        : `Not removed: ${m.name}: ${error.message}`, null, true);
    }
    await this.after();
  }

  // ---- health checks

  checkNow(b, m) {
    return this.attempt(() => api.check(b, m, { now: true }), `A check begins: ${m.name}`);
  }

  async pauseChecks(b, m) {
    const on = !m.health.paused;
    if (on && !await this.ask(`Pause checks of ${m.name}?`, h('p', {},
      `No check by schedule until you resume them. The member stays as it is: ${m.health.state}.`),
    'Pause')) return;
    const set = (paused) => this.attempt(() => api.check(b, m, { paused }),
      `${paused ? 'Checks paused' : 'Checks go on'}: ${m.name}`, () => set(!paused));
    await set(on);
  }

  async editChecks(b, m) {
    const was = {
      hcmethod: m.health.method, hcuri: m.health.uri, hcinterval: m.health.interval,
      hcpasses: m.health.passes, hcfails: m.health.fails,
    };
    const etag = await api.revision(b).catch(() => null); // the change will say what is wrong
    const values = await this.ask(`Checks of ${m.name}`, h('div', { class: 'fields' },
      choice('Method', 'hcmethod', was.hcmethod),
      field('Address', 'hcuri', was.hcuri, { maxlength: 63, ...PLAIN, placeholder: '/health' }),
      field('Every, seconds', 'hcinterval', was.hcinterval,
        { type: 'number', min: 0.1, step: 'any', required: true }),
      field('Passes to let it in', 'hcpasses', was.hcpasses, COUNT),
      field('Fails to take it out', 'hcfails', was.hcfails, COUNT)), 'Apply');
    if (!values) return;
    const fields = {};
    for (const [name, before] of Object.entries(was)) {
      const v = typeof before === 'number' ? Number(values.get(name)) : values.get(name).trim();
      if (v !== before) fields[name] = v;
    }
    if (!Object.keys(fields).length) return;
    await this.apply(b, m, fields, `${changes(fields, was)}: ${m.name}`, etag, was);
  }

  // <closed>: what else it means to close it unread.
  toast(text, undo, bad, closed) {
    const el = h('div', { class: bad ? 'toast bad' : 'toast' }, h('span', {}, text));
    const close = () => el.remove();
    if (undo) {
      el.append(h('button', { type: 'button', class: 'undo', onclick: () => { close(); undo(); } },
        'Undo'));
    }
    el.append(h('button', {
      type: 'button', class: 'quiet', 'aria-label': 'Close', onclick: () => { close(); closed?.(); },
    }, '×'));
    this.toasts.append(el);
    setTimeout(close, 60000); // time enough to read it, and to think again
    return el;
  }

  async edit(b, m) {
    let etag = null;
    try {
      etag = await api.revision(b);
    } catch {
      // the change itself will say what is wrong
    }
    const content = h('div', { class: 'fields' },
      field('Weight', 'loadfactor', m.loadfactor, { type: 'number', min: 1, max: 100, step: 0.01, required: true }),
      field('Set', 'lbset', m.lbset, { type: 'number', min: 0, max: 99, step: 1, required: true }),
      field('At once', 'maxconn', m.maxconn, { type: 'number', min: 0, step: 1, required: true }),
      field('Route', 'route', m.route, { maxlength: 63, ...PLAIN }));
    const values = await this.ask(`Edit ${m.name}`, content, 'Apply');
    if (!values) return;
    const fields = {};
    for (const name of ['loadfactor', 'lbset', 'maxconn']) {
      if (Number(values.get(name)) !== m[name]) fields[name] = Number(values.get(name));
    }
    if (values.get('route') !== m.route) fields.route = values.get('route');
    if (!Object.keys(fields).length) return;
    await this.apply(b, m, fields, `${changes(fields, m)}: ${m.name}`, etag);
  }
}
