// SPDX-License-Identifier: Apache-2.0
//
// The manager's page, live: looks every two seconds, less often while the server does not answer,
// not at all while nobody sees it.  Without this script the page is the server's own.

import { Actions } from './lbx-actions.js';
import * as api from './lbx-api.js';
import { ago, setAttr, setText } from './lbx-dom.js';
import { Model } from './lbx-model.js';
import { View } from './lbx-view.js';

const EVERY = 2000;
const SLOWEST = 30000;

class Page {
  constructor(root) {
    this.may = { operate: root.access !== 'read', admin: root.access === 'admin' };
    this.model = new Model(root.latency_bounds);
    this.actions = new Actions(() => this.look());
    this.view = new View(this.actions);
    this.lastEvent = 0;
    this.pause = EVERY;
    this.paused = false;
    this.lastGood = null;
    setText(this.view.title, `Balancers of ${root.server}`);
    this.view.redraw = () => this.view.update(this.model, this.may);
    this.view.pause.addEventListener('click', () => {
      this.paused = !this.paused;
      setAttr(this.view.pause, 'aria-pressed', String(this.paused));
      this.paused ? this.stop() : this.look();
    });
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) this.stop();
      else if (!this.paused) this.look();
    });
    this.view.mount();
  }

  stop() {
    clearTimeout(this.timer);
    this.view.status('off', this.paused ? 'paused' : 'in the background');
  }

  // One look at a time; whoever asks meanwhile gets the one under way, and another one soon.
  async look() {
    clearTimeout(this.timer);
    if (this.looking) return this.looking;
    this.looking = this.lookOnce().finally(() => {
      this.looking = null;
      if (!document.hidden && !this.paused) {
        this.timer = setTimeout(() => this.look(), this.pause);
      }
    });
    return this.looking;
  }

  async lookOnce() {
    try {
      const answer = await api.balancers();
      const news = await api.events(this.lastEvent);
      this.model.add(answer);
      this.view.update(this.model, this.may);
      this.view.addEvents(news, answer.now);
      if (news.length) this.lastEvent = news[news.length - 1].seq;
      this.pause = EVERY;
      this.lastGood = Date.now();
      this.view.say('');
      this.view.status('good', 'live');
    } catch (error) {
      this.pause = Math.min(this.pause * 2, SLOWEST);
      const since = this.lastGood ? ` What you see is ${ago((Date.now() - this.lastGood) / 1000)} old.`
        : '';
      this.view.say(`No answer: ${error.message}.${since}`);
      this.view.status('bad', `again in ${ago(this.pause / 1000)}`);
    }
    document.documentElement.dataset.lbxLooks = Number(document.documentElement.dataset.lbxLooks
      ?? 0) + 1;
  }
}

api.root().then((root) => new Page(root).look(), () => {
  // no JSON interface for us: the server's own page is there
});
