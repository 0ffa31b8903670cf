// SPDX-License-Identifier: Apache-2.0
//
// One member: its row, and the details that the row opens.
// Not here: what its buttons do (lbx-actions.js), its rates (lbx-model.js).

import { verbLabel, verbs } from './lbx-actions.js';
import { Chart, ago, bytes, clock, count, h, latency, percent, setAttr, setText, show }
  from './lbx-dom.js';
import { KEPT, latest } from './lbx-model.js';

// A sign beside the colour, for those who do not see it.
const SIGNS = {
  up: '●', slowstart: '◔', full: '◉', draining: '◐', error: '✕', unhealthy: '✕',
  disabled: '○', stopped: '■', shutdown: '■', retired: '○',
};
const TONES = {
  up: 'good', slowstart: 'good', full: 'busy', draining: 'wait', error: 'bad', unhealthy: 'bad',
  disabled: 'off', stopped: 'off', shutdown: 'off', retired: 'off',
};
export const tone = (m) => (TONES[m.state] ?? 'off');

const shortName = (name) => name.replace(/^https?:\/\//, '');

function stateText(m) {
  if (m.state === 'up' && m.role !== 'active') return m.role;
  if (m.state === 'slowstart') return `slow start ${Math.round(m.ramp_percent)} %`;
  return m.state;
}

// Why, and what comes next, in one short line.
function note(m, now, track) {
  if (m.state === 'draining' || m.state === 'disabled') {
    if (m.safe_to_stop) return 'safe to stop';
    const from = track.drainedFrom;
    return `${count(m.in_flight)}${from > m.in_flight ? ` of ${count(from)}` : ''} still there`;
  }
  if (m.state === 'error' && m.retry_at > now) return `tried again in ${ago(m.retry_at - now)}`;
  if (m.state === 'full') return `${m.in_flight} of ${m.maxconn} at once`;
  return m.since ? `since ${ago(now - m.since)}` : '';
}

function checkText(c) {
  if (c.method === 'NONE') return c.checks ? 'none by schedule' : 'none';
  return `${c.method}${c.uri ? ` ${c.uri}` : ''} every ${c.interval} s${
    c.expr ? `, ${c.expr}` : ''}, in after ${c.passes}, out after ${c.fails}${
    c.paused ? ' – paused' : ''}`;
}

function lastCheck(c, now) {
  if (!c.last_at) return '';
  const next = c.next_at > now && !c.paused ? `, the next in ${ago(c.next_at - now)}` : '';
  return `${c.last_passed ? 'passed' : `failed: ${c.last_text}`} ${ago(now - c.last_at)} ago, took ${
    latency(c.last_seconds)}${next}`;
}

export class MemberRow {
  constructor(actions) {
    this.actions = actions;
    this.open = false;
    this.sign = h('span', { class: 'sign', 'aria-hidden': 'true' });
    this.state = h('span', { class: 'word' });
    this.pill = h('span', { class: 'pill' }, this.sign, this.state);
    this.note = h('span', { class: 'note' });
    this.progress = h('progress', { max: 1, value: 0, 'aria-label': 'Requests that have left' });
    this.name = h('button', {
      type: 'button', class: 'name', 'aria-expanded': 'false', onclick: () => this.toggle(),
    });
    this.route = h('span', { class: 'route' });
    this.weight = h('span');
    this.share = h('span');
    this.bar = h('span', { class: 'bar' }, h('span'));
    this.inFlight = h('span');
    this.rateNow = h('span', { class: 'now' });
    this.rate = new Chart('Requests per second', '/s');
    this.p95Now = h('span', { class: 'now' });
    this.p95 = new Chart('95th percentile of the latency', 'ms');
    this.errors = h('span');
    this.buttons = h('span', { class: 'actions' });
    const cell = (cls, label, ...content) =>
      h('div', { role: 'cell', class: cls, 'data-label': label }, ...content);
    this.el = h('div', { role: 'row', class: 'member' },
      cell('c-state', 'State', this.pill, this.note, this.progress),
      cell('c-name', 'Member', this.name, this.route),
      cell('c-num c-weight', 'Weight', this.weight),
      cell('c-num c-share', 'Share', this.share, this.bar),
      cell('c-chart c-rate', 'Req/s', this.rate.el, this.rateNow),
      cell('c-chart c-p95', 'Latency p95', this.p95.el, this.p95Now),
      cell('c-num c-flight', 'In flight', this.inFlight),
      cell('c-num c-errors', 'Errors', this.errors),
      cell('c-actions', 'Change', this.buttons));
    this.tools = h('div', { class: 'tools' });
    this.facts = h('dl');
    this.details = h('div', { role: 'row', class: 'details', hidden: true },
      h('div', { role: 'cell' }, this.tools, this.facts));
    this.offeredMore = '';
    this.offered = '';
  }

  toggle() {
    this.open = !this.open;
    setAttr(this.name, 'aria-expanded', String(this.open));
    show(this.details, this.open);
    this.el.classList.toggle('opened', this.open);
    if (this.last) this.update(...this.last);
  }

  update(b, m, track, share, now, may) {
    this.last = [b, m, track, share, now, may];
    setAttr(this.el, 'data-tone', tone(m));
    setAttr(this.el, 'data-member', m.name);
    setAttr(this.el, 'data-state', m.state);
    setText(this.sign, SIGNS[m.state] ?? '?');
    setText(this.state, stateText(m));
    const line = note(m, now, track);
    setText(this.note, line);
    setAttr(this.pill, 'title', m.cause ? m.cause.text : null);
    const leaving = (m.state === 'draining' || m.state === 'disabled') && track.drainedFrom > 0;
    show(this.progress, leaving);
    if (leaving) this.progress.value = 1 - m.in_flight / track.drainedFrom;
    this.note.classList.toggle('safe', m.safe_to_stop);
    setText(this.name, shortName(m.name));
    setAttr(this.name, 'title', m.name);
    setText(this.route, [m.route && `route ${m.route}`, m.role !== 'active' && m.role,
      m.added && 'added', m.lbset > 0 && `set ${m.lbset}`].filter(Boolean).join(' · '));
    setText(this.weight, String(m.loadfactor));
    setText(this.share, percent(share));
    this.bar.firstChild.style.setProperty('inline-size', `${(share * 100).toFixed(1)}%`);
    setText(this.inFlight, m.maxconn ? `${m.in_flight} / ${m.maxconn}` : String(m.in_flight));
    const rate = latest(track.rate);
    const p95 = latest(track.p95);
    setText(this.rateNow, count(rate));
    setText(this.p95Now, latency(p95));
    this.rate.draw(track.rate, KEPT, `${count(rate)} per second`);
    this.p95.draw(track.p95, KEPT, latency(p95));
    setText(this.errors, track.errors === null ? '–' : percent(track.errors));
    this.errors.classList.toggle('some', track.errors > 0);
    this.offer(b, m, may);
    if (this.open) {
      this.offerMore(m, may);
      this.fillDetails(m, now);
    }
  }

  offer(b, m, may) {
    const names = may.operate ? [...verbs(m), 'edit'] : [];
    if (names.join() === this.offered) return;
    const focused = this.buttons.contains(document.activeElement);
    this.offered = names.join();
    this.buttons.replaceChildren(...names.map((name) => h('button', {
      type: 'button', 'data-action': name,
      'aria-label': `${name === 'edit' ? 'Edit' : verbLabel(name)} ${m.name}`,
      onclick: () => {
        const [set, member] = this.last;
        if (name === 'edit') this.actions.edit(set, member);
        else this.actions.run(name, set, member);
      },
    }, name === 'edit' ? 'Edit' : verbLabel(name))));
    if (focused) this.buttons.firstChild?.focus();
  }

  // Buttons stay where they are while figures move: one of them may have the focus.
  offerMore(m, may) {
    const checked = may.operate && m.health;
    const all = [
      checked && ['check', 'Check now', 'checkNow'],
      checked && m.health.method !== 'NONE' && ['pause',
        m.health.paused ? 'Resume checks' : 'Pause checks', 'pauseChecks'],
      checked && ['checks', 'Edit checks', 'editChecks'],
      may.admin && m.state !== 'retired' && ['remove', 'Remove', 'remove'],
    ].filter(Boolean);
    const offered = all.map(([, label]) => label).join();
    if (offered === this.offeredMore) return;
    const focused = this.tools.contains(document.activeElement)
      && document.activeElement.dataset.action;
    this.offeredMore = offered;
    this.tools.replaceChildren(...all.map(([name, label, method]) => h('button', {
      type: 'button', 'data-action': name, class: name === 'remove' && 'danger',
      'aria-label': `${label}: ${m.name}`,
      onclick: () => this.actions[method](this.last[0], this.last[1]),
    }, label)));
    if (focused) this.tools.querySelector(`[data-action=${focused}]`)?.focus();
  }

  fillDetails(m, now) {
    const row = (label, value) => (value === '' || value === null ? []
      : [h('dt', {}, label), h('dd', {}, String(value))]);
    const list = (o) => Object.entries(o).filter(([, n]) => n).map(([k, n]) => `${k} ${count(n)}`)
      .join(' · ');
    const figures = Object.entries(m.figures).map(([name, v]) => row(
      name.replace(/_total$/, '').replaceAll('_', ' '),
      v !== null && typeof v === 'object' ? list(v) || '0' : v)).flat();
    const edited = Object.keys(m.configured).filter((k) => m.configured[k] !== m[k])
      .map((k) => `${k} ${m.configured[k] === '' ? 'none' : m.configured[k]}`).join(' · ');
    this.facts.replaceChildren(
      ...row('Member', m.name),
      ...row('State', `${stateText(m)}${m.since
        ? `, since ${clock(m.since)} (${ago(now - m.since)})` : ''}`),
      ...row('Cause', m.cause ? `${m.cause.text} (${m.cause.who})` : ''),
      ...row('Chosen', count(m.elected)),
      ...row('Answers', list(m.responses) || 'none'),
      ...row('Attempts', list(m.attempts) || 'none'),
      ...row('Tried again after', list(m.retried)),
      ...row('Traffic', `${bytes(m.bytes_sent)} to it · ${bytes(m.bytes_received)} from it`),
      ...row(m.added ? 'As it was added' : 'In the file', edited),
      ...row('Redirect', m.redirect),
      ...row('Parameters', Object.entries(m.params).map(([k, v]) => `${k}=${v}`).join(' ')),
      ...row('Health check', m.health && checkText(m.health)),
      ...row('Last check', m.health && lastCheck(m.health, now)),
      ...figures);
  }
}
