"use strict";
// Starts the parts after the first paint, so that the first screen does not wait for them.
requestAnimationFrame(() =>
  setTimeout(() => {
    for (const part of ["toolbox", "tables", "figures", "gallery"]) cutpoint[part].start();
    // a browser finds no place whose name has a "?"
    const [anchor, query] = location.hash.slice(1).split("?");
    if (query) document.getElementById(anchor)?.scrollIntoView();
    performance.mark("ready");
  }),
);
const theme = () => (document.documentElement.dataset.theme = cutpoint.get("theme"));
cutpoint.on(theme);
theme();
// On paper everything is open; after that the page is as it was.
let opened = [];
window.addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  for (const part of opened) part.open = true;
});
window.addEventListener("afterprint", () => {
  for (const part of opened) part.open = false;
});
// What scrolls sideways can be scrolled by keyboard.
const sideways = new ResizeObserver((entries) => {
  for (const { target } of entries) target.tabIndex = target.scrollWidth > target.clientWidth ? 0 : -1;
});
for (const part of document.querySelectorAll(".scroll, pre")) sideways.observe(part);
