"use strict";
// Starts the parts after the first paint, so that the first screen does not wait for them.
requestAnimationFrame(() =>
  setTimeout(() => {
    for (const part of ["toolbox", "tables", "figures", "gallery"]) cutpoint[part].start();
    performance.mark("ready");
  }),
);
const theme = () => (document.documentElement.dataset.theme = cutpoint.get("theme"));
cutpoint.on(theme);
theme();
window.addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
});
