// SPDX-License-Identifier: Apache-2.0
//
// Builds and updates elements.  Texts are always text nodes: what a server or a client has named
// itself can never become markup.

const SVG = 'http://www.w3.org/2000/svg';

function fill(el, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) el.addEventListener(name.slice(2), value);
    else el.setAttribute(name, value === true ? '' : value);
  }
  el.append(...children.filter((c) => c !== null && c !== undefined));
  return el;
}

export const h = (tag, props, ...children) => fill(document.createElement(tag), props, children);
export const svg = (tag, props, ...children) =>
  fill(document.createElementNS(SVG, tag), props, children);

// Touch the document only when something is different.
export function setText(el, text) {
  if (el.textContent !== text) el.textContent = text;
}

export function setAttr(el, name, value) {
  if (value === null || value === false) el.removeAttribute(name);
  else if (el.getAttribute(name) !== String(value)) el.setAttribute(name, value);
}

export function show(el, yes) {
  if (el.hidden === yes) el.hidden = !yes;
}

// A line over the last minutes, its area below, its newest point marked.
export class Chart {
  constructor(what, unit, w = 108, hgt = 26) {
    this.what = what;
    this.unit = unit;
    this.size = [w, hgt];
    this.area = svg('path', { class: 'area' });
    this.line = svg('path', { class: 'line' });
    this.dot = svg('circle', { class: 'dot', r: 1.8 });
    this.el = svg('svg', { class: 'chart', viewBox: `0 0 ${w} ${hgt}`, role: 'img' },
      this.area, this.line, this.dot);
  }

  draw(values, kept, nowText) {
    const [w, hgt] = this.size;
    const top = Math.max(...values.filter((v) => v !== null), 0) || 1;
    const span = Math.min(kept, Math.max(values.length, 16)) - 1; // a short past fills some room
    const x = (i) => (w - 3) * ((span + 1 - values.length + i) / span);
    const y = (v) => hgt - 2 - (hgt - 5) * (v / top);
    let line = '';
    let area = '';
    let open = null; // x of where the present piece begins
    values.forEach((v, i) => {
      if (v === null) {
        if (open !== null) area += `L${x(i - 1).toFixed(1)} ${hgt}Z`;
        open = null;
        return;
      }
      const at = `${x(i).toFixed(1)} ${y(v).toFixed(1)}`;
      if (open === null) {
        open = x(i);
        area += `M${open.toFixed(1)} ${hgt}L${at}`;
        line += `M${at}`;
      } else {
        area += `L${at}`;
        line += `L${at}`;
      }
    });
    if (open !== null) area += `L${x(values.length - 1).toFixed(1)} ${hgt}Z`;
    setAttr(this.area, 'd', area);
    setAttr(this.line, 'd', line);
    const last = values[values.length - 1];
    const shown = last !== null && last !== undefined;
    setAttr(this.dot, 'visibility', shown ? 'visible' : 'hidden');
    if (shown) {
      setAttr(this.dot, 'cx', x(values.length - 1).toFixed(1));
      setAttr(this.dot, 'cy', y(last).toFixed(1));
    }
    setAttr(this.el, 'aria-label', `${this.what} over two minutes, now ${nowText}`);
  }
}

// ---- texts

export function count(n) {
  if (n === null || n === undefined) return '–';
  if (n >= 1e6) return `${(n / 1e6).toFixed(1)}M`;
  if (n >= 1e4) return `${(n / 1e3).toFixed(1)}k`;
  return n >= 100 || Number.isInteger(n) ? String(Math.round(n)) : n.toFixed(1);
}

export function bytes(n) {
  let i = 0;
  let left = n;
  while (left >= 1024 && i < 4) {
    left /= 1024;
    i++;
  }
  return `${i && left < 100 ? left.toFixed(1) : Math.round(left)} ${['B', 'kB', 'MB', 'GB', 'TB'][i]}`;
}

export function latency(s) {
  if (s === null || s === undefined) return '–';
  if (s < 0.01) return `${(s * 1000).toFixed(1)} ms`;
  return s < 1 ? `${Math.round(s * 1000)} ms` : `${s.toFixed(1)} s`;
}

export const percent = (v) => (v === null ? '–' : `${(v * 100).toFixed(v && v < 0.1 ? 1 : 0)} %`);

export function ago(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d`;
}

export const clock = (at) => new Date(at * 1000).toLocaleTimeString([], { hour12: false });
