// SPDX-License-Identifier: Apache-2.0
//
// Changes that an operator makes: asked once, done, told, and taken back on demand.
// Not here: the network (lbx-api.js).

import * as api from './lbx-api.js';
import { h } from './lbx-dom.js';

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

export class Actions {
  constructor(after) {
    this.after = after; // look again, now
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

  async apply(b, m, fields, told, etag) {
    const before = Object.fromEntries(Object.keys(fields).map((key) => [key, m[key]]));
    try {
      await api.change(b, m, fields, etag);
      this.toast(told, () => this.apply(b, m, before, `Taken back: ${told}`));
    } catch (error) {
      this.toast(error.status === 412
        ? 'Somebody else changed this balancer meanwhile. Have a look and try again.'
        : `Not done: ${error.message}`, null, true);
    }
    await this.after();
  }

  toast(text, undo, bad) {
    const el = h('div', { class: bad ? 'toast bad' : 'toast' }, h('span', {}, text));
    const close = () => el.remove();
    if (undo) {
      el.append(h('button', { type: 'button', class: 'undo', onclick: () => { close(); undo(); } },
        'Undo'));
    }
    el.append(h('button', { type: 'button', class: 'quiet', 'aria-label': 'Close', onclick: close },
      '×'));
    this.toasts.append(el);
    setTimeout(close, 60000); // time enough to read it, and to think again
  }

  async edit(b, m) {
    let etag = null;
    try {
      etag = await api.revision(b);
    } catch {
      // the change itself will say what is wrong
    }
    const field = (label, name, props) => h('label', {}, h('span', {}, label),
      h('input', { name, value: m[name], ...props }));
    const content = h('div', { class: 'fields' },
      field('Weight', 'loadfactor', { type: 'number', min: 1, max: 100, step: 0.01, required: true }),
      field('Set', 'lbset', { type: 'number', min: 0, max: 99, step: 1, required: true }),
      field('At once', 'maxconn', { type: 'number', min: 0, step: 1, required: true }),
      field('Route', 'route', { maxlength: 63, spellcheck: 'false', autocapitalize: 'off' }));
    const values = await this.ask(`Edit ${m.name}`, content, 'Apply');
    if (!values) return;
    const fields = {};
    for (const name of ['loadfactor', 'lbset', 'maxconn']) {
      if (Number(values.get(name)) !== m[name]) fields[name] = Number(values.get(name));
    }
    if (values.get('route') !== m.route) fields.route = values.get('route');
    if (!Object.keys(fields).length) return;
    await this.apply(b, m, fields, `${Object.entries(fields)
      .map(([name, v]) => `${name} ${m[name] || 'none'} → ${v}`).join(', ')}: ${m.name}`, etag);
  }
}
