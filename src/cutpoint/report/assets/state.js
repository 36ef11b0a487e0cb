"use strict";
// What the reader has chosen: one store for all parts of the page, kept in the link behind a "?" in the hash
// (#set-0?hide=raw&mark=e2e). Keys in use:
//   hide, mark   lists of variants, hidden and highlighted in every table and figure
//   differs      "1": tables show only variants and columns that differ
//   theme        "light" or "dark"; without it the system's
//   t<N>.s|f|c   sort, filters and changed columns of the table number N of the page, see tables.js
//   g<N>.<key>   a filter of the gallery of data set and model N: class, cause, variant, error, slice, score (lo-hi)
//   g<N>.order   "lost": the gallery's pictures by lost AP; without it by disagreement
// Other parts call get, set and on. A value is a string, or a list of strings for the keys in LISTS.
const cutpoint = (() => {
  const LISTS = new Set(["hide", "mark"]);
  const values = new Map();
  const listeners = [];

  const split = () => {
    const [anchor, query = ""] = location.hash.slice(1).split("?");
    return [anchor, new URLSearchParams(query)];
  };
  const read = (query) => {
    values.clear();
    for (const [key, value] of query) values.set(key, value);
  };
  const write = (anchor) => {
    const query = new URLSearchParams([...values]).toString();
    const hash = anchor || query ? `#${anchor}${query && "?" + query}` : location.pathname;
    history.replaceState(null, "", hash);
  };
  const get = (key) => {
    const value = values.get(key);
    if (!LISTS.has(key)) return value ?? "";
    return value ? JSON.parse(value) : [];
  };
  // Several keys at once: set({hide: [...], "g0.cause": "nms"}). An empty value removes its key.
  const set = (changes) => {
    for (const [key, value] of Object.entries(changes)) {
      const empty = Array.isArray(value) ? !value.length : !value;
      if (empty) values.delete(key);
      else values.set(key, LISTS.has(key) ? JSON.stringify(value) : String(value));
    }
    write(split()[0]);
    for (const listener of listeners) listener();
  };
  // Removes every key.
  const reset = () => set(Object.fromEntries([...values.keys()].map((key) => [key, ""])));
  const on = (listener) => listeners.push(listener);
  const toggle = (key, item) => {
    const list = get(key);
    set({ [key]: list.includes(item) ? list.filter((other) => other !== item) : [...list, item] });
  };

  read(split()[1]);
  window.addEventListener("hashchange", () => {
    const [anchor, query] = split();
    if (!location.hash.includes("?")) return write(anchor); // a link inside the page keeps the state
    read(query);
    document.getElementById(anchor)?.scrollIntoView();
    for (const listener of listeners) listener();
  });
  // The JSON of a script element.
  const data = (id) => JSON.parse(document.getElementById(id)?.textContent || "null");
  // A number, or an interval of two; neither is a formula.
  const NUMBERS = /^[+-]?[\d.]+(e[+-]?\d+)?( to [+-]?[\d.]+(e[+-]?\d+)?)?$/i;

  // A cell of a CSV: an apostrophe before what a spreadsheet would run as a formula, as in records/csv_table.py.
  const harmless = (value) =>
    typeof value === "string" && /^[=+\-@\t\r\n']/.test(value) && !NUMBERS.test(value) ? `'${value}` : value;

  return { harmless, get, set, reset, on, toggle, data };
})();
