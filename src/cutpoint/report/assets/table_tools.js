"use strict";
// What stands above a table: its caption, how many rows are left, filters, columns, CSV.
cutpoint.TableTools = class {
  constructor(live, number) {
    this.live = live;
    this.element = document.createElement("div");
    this.element.className = "tools";
    this.label = document.createElement("p");
    this.label.id = `table-${number}`;
    this.label.className = "caption";
    this.label.textContent = live.table.caption?.textContent ?? "";
    this.rows = document.createElement("span");
    this.rows.setAttribute("role", "status");
    this.filter = this.button("Filter", () => this.filters(!live.frame.classList.contains("filters")));
    this.filter.setAttribute("aria-pressed", "false");
    const file = `${live.table.dataset.file ?? `table-${number}`}.csv`;
    this.element.append(
      this.label,
      this.rows,
      this.filter,
      this.button("Columns", (event) => cutpoint.popup(event.currentTarget, this.menu())),
      this.button("CSV", () => live.grid.download("csv", file)),
    );
  }

  button(text, act) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", act);
    return made;
  }

  menu() {
    const list = document.createElement("fieldset");
    const legend = document.createElement("legend");
    legend.textContent = "Columns";
    list.append(legend);
    this.live.columns.slice(1).forEach(({ title }, i) => {
      const label = document.createElement("label");
      const box = document.createElement("input");
      box.type = "checkbox";
      box.checked = this.shown?.[i + 1];
      box.addEventListener("change", () => this.live.choose(i + 1, box.checked));
      label.append(box, ` ${title}`);
      list.append(label);
    });
    return list;
  }

  chosen(visible) {
    this.shown = visible;
  }

  count(left, all) {
    this.rows.textContent = left === all ? "" : `${left} of ${all} rows`;
  }

  filters(on) {
    this.live.frame.classList.toggle("filters", on);
    this.filter.setAttribute("aria-pressed", String(on));
  }
};

// A question mark in a head shows its entry of the part Numbers; without this script it is a link to it.
document.addEventListener(
  "click",
  (event) => {
    const link = event.target.closest?.("a.what");
    const entry = link && document.getElementById(link.hash.slice(1));
    if (!entry) return;
    event.preventDefault();
    event.stopPropagation();
    const copy = document.createElement("dl");
    copy.className = "numbers";
    copy.append(...[...entry.children].map((child) => child.cloneNode(true)));
    cutpoint.popup(link, copy);
  },
  true,
);

// Shows a node below the element that asked for it; Escape and a click elsewhere close it.
cutpoint.popup = (anchor, node) => {
  const box = document.createElement("div");
  box.className = "popup";
  box.popover = "auto";
  box.tabIndex = -1;
  box.append(node);
  box.addEventListener("toggle", ({ newState }) => newState === "closed" && box.remove());
  document.body.append(box);
  box.showPopover();
  const at = anchor.getBoundingClientRect();
  const { width, height } = box.getBoundingClientRect();
  const room = document.documentElement;
  box.style.left = `${Math.max(8, Math.min(at.left, room.clientWidth - width - 8))}px`;
  box.style.top = `${Math.max(8, Math.min(at.bottom + 4, room.clientHeight - height - 8))}px`;
  box.focus();
};
