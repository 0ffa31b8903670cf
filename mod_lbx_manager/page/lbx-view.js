// SPDX-License-Identifier: Apache-2.0
//
// The page that stands before the server's own: head, balancers, events.
// Not here: one member (lbx-member.js), when to look (lbx.js).

import { Chart, ago, clock, count, h, latency, setAttr, setText, show } from './lbx-dom.js';
import { MemberRow, tone } from './lbx-member.js';
import { KEPT } from './lbx-model.js';

const COLUMNS = ['State', 'Member', 'Weight', 'Share', 'Req/s', 'Latency p95', 'In flight', 'Errors',
  'Change'];
const CLASSES = ['c-state', 'c-name', 'c-num c-weight', 'c-num c-share', 'c-chart c-rate',
  'c-chart c-p95', 'c-num c-flight', 'c-num c-errors', 'c-actions'];

const MANY = 20; // members of which a telephone shows the calm ones in short

class BalancerCard {
  constructor(view, name) {
    this.view = view;
    this.rows = new Map();
    const id = `lbx-b-${name}`;
    this.title = h('h2', { id }, name);
    this.add = h('button', {
      type: 'button', 'data-action': 'add', 'aria-label': `Add a member to ${name}`, hidden: true,
      onclick: () => this.view.actions.add(this.last),
    }, '+ Add member');
    this.facts = h('p', { class: 'facts' });
    this.health = h('span', { class: 'big' });
    this.rateNow = h('span', { class: 'big' });
    this.rate = new Chart('Requests per second of all members', '/s', 150, 36);
    this.p95 = h('span', { class: 'big' });
    this.flight = h('span', { class: 'big' });
    this.queue = h('span', { class: 'big' });
    const tile = (label, ...content) => h('div', { class: 'tile' }, ...content,
      h('span', { class: 'label' }, label));
    this.rateTile = tile('requests/s', this.rateNow);
    this.rateTile.append(this.rate.el);
    this.queueTile = tile('in the queue', this.queue);
    this.table = h('div', { role: 'table', class: 'members', 'aria-labelledby': id },
      h('div', { role: 'row', class: 'head' }, ...COLUMNS.map((label, i) =>
        h('div', { role: 'columnheader', class: CLASSES[i] }, label))));
    this.none = h('p', { class: 'none', hidden: true }, 'No member fits the filter.');
    this.el = h('section', { class: 'balancer', 'aria-labelledby': id },
      h('header', {}, h('div', {}, h('div', { class: 'name-line' }, this.title, this.add), this.facts),
        h('div', { class: 'tiles' }, tile('take requests', this.health),
          this.rateTile, tile('p95, slowest', this.p95), tile('in flight', this.flight),
          this.queueTile)),
      this.table, this.none);
  }

  row(m) {
    if (!this.rows.has(m.name)) {
      const row = new MemberRow(this.view.actions);
      this.rows.set(m.name, row);
      this.table.append(row.el, row.details);
    }
    return this.rows.get(m.name);
  }

  update(b, model, may) {
    this.last = b;
    show(this.add, may.admin);
    const s = model.summary(b);
    const n = b.members.length;
    setText(this.health, `${s.up} of ${n}`);
    setAttr(this.health, 'data-tone', s.up === n ? 'good' : s.up ? 'wait' : 'bad');
    setText(this.rateNow, count(s.rate));
    this.rate.draw(s.history, KEPT, `${count(s.rate)} per second`);
    setText(this.p95, latency(s.p95));
    setText(this.flight, count(s.inFlight));
    setText(this.queue, count(b.queue.waiting));
    show(this.queueTile, b.timeout > 0 || b.queue.queued > 0);
    setText(this.facts, facts(b));
    const gone = new Set(this.rows.keys());
    let shown = 0;
    b.members.forEach((m, i) => {
      gone.delete(m.name);
      const row = this.row(m);
      const fits = this.view.fits(m);
      shown += fits;
      show(row.el, fits);
      show(row.details, fits && row.open);
      if (fits) row.update(b, m, model.track(b, m), s.shares[i], model.now, may);
    });
    for (const name of gone) {
      this.rows.get(name).el.remove();
      this.rows.get(name).details.remove();
      this.rows.delete(name);
    }
    this.el.classList.toggle('many', shown > MANY);
    show(this.none, n > 0 && shown === 0);
  }
}

function facts(b) {
  const sticky = b.stickysession ? `sessions by ${b.stickysession}` : 'no sessions';
  const routes = new Map();
  b.members.forEach((m) => routes.set(m.route, (routes.get(m.route) ?? 0) + 1));
  const wrong = !b.stickysession ? []
    : [routes.get('') && `${routes.get('')} without route`,
      [...routes].some(([r, n]) => r && n > 1) && 'a route is used twice'].filter(Boolean);
  const words = (name) => name.replace(/_total$/, '').replaceAll('_', ' ');
  const extra = Object.entries(b.figures).map(([name, v]) => {
    if (v === null || typeof v !== 'object') return v ? `${words(name)} ${count(v)}` : '';
    const some = Object.entries(v).filter(([, n]) => n).map(([k, n]) => `${k} ${count(n)}`);
    return some.length ? `${words(name)}: ${some.join(', ')}` : '';
  });
  return [b.lbmethod, wrong.length ? `${sticky} (${wrong.join(', ')})` : sticky,
    `${count(b.requests)} ${b.requests === 1 ? 'request' : 'requests'}`, b.failovers && `${count(b.failovers)} failed over`,
    b.refused && `${count(b.refused)} refused`,
    b.queue.queued && `${count(b.queue.queued)} queued, ${count(b.queue.overdue)} in vain`,
    ...extra].filter(Boolean).join(' · ');
}

export class View {
  constructor(actions) {
    this.actions = actions;
    this.cards = new Map();
    this.seen = new Map(); // states, to tell changes to those who do not see them
    this.dot = h('span', { class: 'dot', 'aria-hidden': 'true' });
    this.live = h('span', { class: 'live' });
    this.pause = h('button', { type: 'button', class: 'quiet', 'aria-pressed': 'false' }, 'Pause');
    this.filter = h('input', {
      type: 'search', placeholder: 'Filter members', 'aria-label': 'Filter members', oninput: () =>
        this.redraw?.(),
    });
    this.troubled = h('button', {
      type: 'button', class: 'quiet', 'aria-pressed': 'false', onclick: () => {
        setAttr(this.troubled, 'aria-pressed',
          String(this.troubled.getAttribute('aria-pressed') !== 'true'));
        this.redraw?.();
      },
    }, 'Needs a look');
    this.title = h('h1', {}, 'Balancers');
    this.trouble = h('p', { class: 'trouble', role: 'alert', hidden: true });
    this.body = h('div', { class: 'balancers' });
    this.eventList = h('ol', { class: 'events' });
    this.quiet = h('p', { class: 'none' }, 'Nothing has happened since the start.');
    this.spoken = h('p', { class: 'spoken', 'aria-live': 'polite' });
    this.el = h('main', { id: 'lbx' },
      h('header', { class: 'top' }, this.title,
        h('div', { class: 'tools' }, this.filter, this.troubled,
          h('span', { class: 'status' }, this.dot, this.live), this.pause)),
      this.trouble, this.body,
      h('section', { class: 'log', 'aria-labelledby': 'lbx-events' },
        h('h2', { id: 'lbx-events' }, 'Last events'), this.quiet, this.eventList), this.spoken);
  }

  // Puts this view before the server's own page, which stays at hand, folded.
  mount() {
    const own = h('details', { id: 'lbx-classic' }, h('summary', {}, 'Classic page'));
    const here = [...document.body.childNodes].filter((n) =>
      !n.matches?.('.toasts, dialog.lbx-dialog'));
    own.append(...here);
    if (/[?&][bw]=/.test(window.location.search)) own.open = true;
    document.body.prepend(this.el, own);
    document.documentElement.classList.add('lbx-on');
  }

  fits(m) {
    const text = this.filter.value.trim().toLowerCase();
    if (this.troubled.getAttribute('aria-pressed') === 'true' && tone(m) === 'good') return false;
    return !text || `${m.name} ${m.route} ${m.state} ${m.role}`.toLowerCase().includes(text);
  }

  update(model, may) {
    const gone = new Set(this.cards.keys());
    for (const b of model.balancers) {
      gone.delete(b.name);
      if (!this.cards.has(b.name)) {
        this.cards.set(b.name, new BalancerCard(this, b.name));
        this.body.append(this.cards.get(b.name).el);
      }
      this.cards.get(b.name).update(b, model, may);
    }
    for (const name of gone) {
      this.cards.get(name).el.remove();
      this.cards.delete(name);
    }
    this.tell(model);
  }

  tell(model) {
    const news = [];
    for (const b of model.balancers) {
      for (const m of b.members) {
        const key = model.key(b, m);
        const now = m.safe_to_stop ? `${m.state}, safe to stop` : m.state;
        if (this.seen.has(key) && this.seen.get(key) !== now) news.push(`${m.name} is ${now}`);
        this.seen.set(key, now);
      }
    }
    if (news.length) setText(this.spoken, news.slice(0, 5).join('. '));
  }

  addEvents(list, now) {
    if (list.length) show(this.quiet, false);
    for (const e of list) {
      this.eventList.prepend(h('li', { 'data-kind': e.kind },
        h('time', { datetime: new Date(e.at * 1000).toISOString(), title: `${ago(now - e.at)} ago` },
          clock(e.at)),
        h('span', { class: 'kind' }, e.kind),
        h('span', { class: 'what' }, h('b', {}, e.member || e.balancer), ` ${e.text}`,
          h('span', { class: 'who' }, ` ${e.who}`))));
    }
    while (this.eventList.children.length > 100) this.eventList.lastChild.remove();
  }

  status(kind, text) {
    setAttr(this.dot, 'data-kind', kind);
    setText(this.live, text);
  }

  say(text) {
    show(this.trouble, Boolean(text));
    if (text) setText(this.trouble, text);
  }
}
