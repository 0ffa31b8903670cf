// SPDX-License-Identifier: Apache-2.0
//
// Makes rates out of counters: what happened between two looks, and the last two minutes of it.
// Not here: the page, the network.

export const KEPT = 60;

// The latency below which a share q of the answers stayed; null without answers.
export function quantile(counts, bounds, q) {
  const all = counts.reduce((sum, n) => sum + n, 0);
  if (!all) return null;
  let left = q * all;
  for (let i = 0; i < counts.length; i++) {
    if (left <= counts[i]) {
      const low = i ? bounds[i - 1] : 0;
      const high = i < bounds.length ? bounds[i] : low;
      return low + (high - low) * (counts[i] ? left / counts[i] : 0);
    }
    left -= counts[i];
  }
  return bounds[bounds.length - 1];
}

const bad = (m) => m.failures + m.responses['5xx'];

class Track {
  constructor() {
    this.last = null;
    this.rate = [];
    this.p95 = [];
    this.chosen = []; // how many, for shares of the last minutes
    this.errors = null;
    this.drainedFrom = 0; // requests in flight when draining began, as far as we have seen
  }

  add(m, now, bounds) {
    const last = this.last;
    this.last = { now, m };
    if (m.state === 'draining' || m.state === 'disabled') {
      this.drainedFrom = Math.max(this.drainedFrom, m.in_flight);
    } else {
      this.drainedFrom = 0;
    }
    if (!last || m.elected < last.m.elected || now <= last.now) return;
    const seconds = now - last.now;
    const elected = m.elected - last.m.elected;
    const counts = m.latency.buckets.map((n, i) => n - last.m.latency.buckets[i]);
    push(this.rate, elected / seconds);
    push(this.chosen, elected);
    push(this.p95, quantile(counts, bounds, 0.95));
    this.errors = elected ? Math.min(1, (bad(m) - bad(last.m)) / elected) : null;
  }
}

function push(list, value) {
  list.push(value);
  if (list.length > KEPT) list.shift();
}

export const latest = (list) => (list.length ? list[list.length - 1] : null);
const sum = (list) => list.reduce((a, n) => a + n, 0);

export class Model {
  constructor(bounds) {
    this.bounds = bounds;
    this.tracks = new Map();
    this.balancers = [];
  }

  key(b, m) {
    return `${b.name} ${m.name}`;
  }

  track(b, m) {
    const key = this.key(b, m);
    if (!this.tracks.has(key)) this.tracks.set(key, new Track());
    return this.tracks.get(key);
  }

  add(answer) {
    this.balancers = answer.balancers;
    this.now = answer.now;
    for (const b of answer.balancers) {
      for (const m of b.members) this.track(b, m).add(m, answer.now, this.bounds);
    }
  }

  // What a balancer did of late: requests a second, p95, shares by member.
  summary(b) {
    const tracks = b.members.map((m) => this.track(b, m));
    const counts = tracks.map((t) => sum(t.chosen));
    const all = sum(counts);
    const busy = tracks.map((t) => latest(t.p95)).filter((v) => v !== null);
    return {
      rate: sum(tracks.map((t) => latest(t.rate) ?? 0)),
      p95: busy.length ? Math.max(...busy) : null,
      inFlight: sum(b.members.map((m) => m.in_flight)),
      up: b.members.filter((m) => m.usable).length,
      shares: counts.map((n) => (all ? n / all : 0)),
      history: [...Array(KEPT).keys()].map((i) => {
        const at = tracks.map((t) => t.rate[t.rate.length - KEPT + i]).filter((v) => v >= 0);
        return at.length ? sum(at) : null;
      }).filter((v) => v !== null),
    };
  }
}
