"use strict";
// The toolbox: hides and highlights variants everywhere. Every `tr` and row of a live table with `data-variant`
// follows it, figures do by themselves.
cutpoint.toolbox = (() => {
  const sheet = new CSSStyleSheet();
  const rows = (name) => `:is(tr, .tabulator-row)[data-variant="${CSS.escape(name)}"]`;
  const paint = () => {
    const hide = cutpoint.get("hide").map((name) => `${rows(name)} { display: none !important; }`);
    const mark = cutpoint.get("mark").map((name) => `${rows(name)}, ${rows(name)} > * { background: var(--marked) !important; }`);
    sheet.replaceSync([...hide, ...mark].join("\n"));
  };

  const link = async (status) => {
    try {
      await navigator.clipboard.writeText(location.href);
      status.textContent = "The link is copied.";
    } catch {
      status.textContent = "The address bar has the link.";
    }
  };

  const start = () => {
    const box = document.getElementById("toolbox");
    const find = (selector) => box.querySelector(selector);
    const [panel, open, search, differs] = ["#toolbox-panel", ".open", "[type=search]", ".differs"].map(find);
    const items = [...box.querySelectorAll("li")];
    const checks = new Map(items.map((item) => [item.dataset.name, item.querySelector("input")]));
    const stars = new Map(items.map((item) => [item.dataset.name, item.querySelector("button")]));
    const show = (isOpen) => {
      panel.hidden = !isOpen;
      open.setAttribute("aria-expanded", String(isOpen));
    };

    open.addEventListener("click", () => show(panel.hidden));
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || panel.hidden) return;
      show(false);
      open.focus();
    });
    search.addEventListener("input", () => {
      const wanted = search.value.trim().toLowerCase();
      for (const item of items) item.hidden = !item.dataset.name.toLowerCase().includes(wanted);
    });
    for (const [name, check] of checks) check.addEventListener("change", () => cutpoint.toggle("hide", name));
    for (const [name, star] of stars) star.addEventListener("click", () => cutpoint.toggle("mark", name));
    // of the variants that the search leaves
    for (const button of box.querySelectorAll("[data-choose]")) {
      button.addEventListener("click", () => {
        const hidden = new Set(cutpoint.get("hide"));
        for (const { dataset } of items.filter((item) => !item.hidden)) {
          const hides = { all: false, none: true, invert: !hidden.has(dataset.name) }[button.dataset.choose];
          hides ? hidden.add(dataset.name) : hidden.delete(dataset.name);
        }
        cutpoint.set({ hide: [...hidden] });
      });
    }
    differs.addEventListener("change", () => cutpoint.set({ differs: differs.checked ? "1" : "" }));
    for (const radio of box.querySelectorAll("[name=theme]")) {
      radio.addEventListener("change", () => cutpoint.set({ theme: radio.value }));
    }
    find(".copy").addEventListener("click", () => link(find("[role=status]")));
    find(".reset").addEventListener("click", () => cutpoint.reset());

    const update = () => {
      const [hide, mark] = [cutpoint.get("hide"), cutpoint.get("mark")];
      for (const [name, check] of checks) check.checked = !hide.includes(name);
      for (const [name, star] of stars) {
        star.setAttribute("aria-pressed", String(mark.includes(name)));
        star.textContent = mark.includes(name) ? "★" : "☆";
      }
      differs.checked = cutpoint.get("differs") === "1";
      for (const radio of box.querySelectorAll("[name=theme]")) radio.checked = radio.value === cutpoint.get("theme");
      const said = [hide.length && `${hide.length} hidden`, mark.length && `${mark.length} highlighted`];
      if (differs.checked) said.push("only what differs");
      find(".state").textContent = said.filter(Boolean).map((text) => ` · ${text}`).join("");
      paint();
    };
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    box.hidden = false;
    cutpoint.on(update);
    update();
  };
  return { start };
})();
