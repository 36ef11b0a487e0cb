"use strict";
// Tables: each `table.sortable` is there without this script. Near the screen it becomes a Tabulator table of
// the same cells, and the HTML table stays for print. Marks that it reads:
//   table data-file     name of the exported CSV
//   table data-rows     id of JSON with rows of texts that replace those in the page, and doubts by variant
//   th data-extra       a column that the reader has to choose
//   tr data-variant     whose row it is; tr.reference stays on top; tr data-lossless: no different detection
//   td data-sort        the number in full precision; without it the first number of the text
//   [data-part]         what stands below the number: a column of its own in the CSV
// Keys in the link, of the table number N of the page: t<N>.s sort, t<N>.f filters, t<N>.c columns.
cutpoint.tables = (() => {
  const TALL = 20; // rows; from here on a table scrolls inside
  const MANY = 200; // rows; from here on only those in view are drawn
  const live = [];
  const { rowsOf, heads, records, definitions } = cutpoint.tableCells;

  // The variants whose detections are the reference's, of the data set and model that a table belongs to.
  const lossless = (table) => {
    const section = table.closest("section");
    return new Set([...(section?.querySelectorAll("tr[data-lossless]") ?? [])].map((row) => row.dataset.variant));
  };

  class Live {
    constructor(table, number) {
      this.key = `t${number}`;
      this.table = table;
      this.base = table.closest(".scroll");
      this.columns = heads(table);
      this.same = lossless(table);
      this.data = records(rowsOf(table), this.columns);
      this.host = document.createElement("div");
      this.frame = document.createElement("div");
      this.frame.className = "enhanced";
      this.tools = new cutpoint.TableTools(this, number);
      this.frame.append(this.tools.element, this.host);
      this.base.before(this.frame);
      this.widths = this.measure(this.columns.map((column) => !column.isExtra));
      this.base.classList.add("base");
      const count = this.data.length;
      this.grid = new Tabulator(this.host, {
        data: this.data,
        columns: definitions(this.columns, this.data).map((column) => ({ ...column, width: this.widths[column.field] })),
        layout: "fitDataTable",
        renderVertical: count > MANY ? "virtual" : "basic",
        maxHeight: count > TALL ? "80vh" : false,
        columnHeaderVertAlign: "bottom",
        placeholder: "No row is left.",
        initialSort: this.sorted(),
        initialHeaderFilter: this.filtered(),
        rowFormatter: (row) => {
          const { variant, reference } = row.getData();
          const element = row.getElement();
          if (variant !== undefined) element.dataset.variant = variant;
          element.classList.toggle("reference", reference);
        },
      });
      this.grid.on("tableBuilt", () => this.built());
    }

    built() {
      this.host.setAttribute("aria-labelledby", this.tools.label.id);
      // Tabulator's focusable frame of the rows has no role, which a grid may not have between it and its rows
      this.host.removeAttribute("aria-owns");
      this.host.querySelector(".tabulator-tableholder").setAttribute("role", "rowgroup");
      this.host.querySelector(".tabulator-table").setAttribute("role", "presentation");
      this.grid.setFilter((row) => this.shown(row));
      this.ready = true;
      this.update();
      this.grid.on("dataSorted", () => this.save());
      this.grid.on("dataFiltered", () => this.save());
      this.grid.on("dataFiltered", (_, rows) => this.tools.count(rows.length, this.data.length));
      this.tools.count(this.grid.getDataCount("active"), this.data.length);
      new ResizeObserver(() => this.resize()).observe(this.frame);
    }

    shown({ variant, reference }) {
      if (cutpoint.get("hide").includes(variant)) return false;
      return !(cutpoint.get("differs") && this.same.has(variant) && !reference);
    }

    // The columns that the reader chose, less those with a single value if only differences are wanted.
    visible() {
      const changed = cutpoint.get(`${this.key}.c`).split(",");
      const rows = this.grid.getData("active");
      return this.columns.map(({ field, isExtra }, i) => {
        const chosen = changed.includes(String(i)) ? isExtra : !isExtra;
        if (!chosen || i === 0 || !cutpoint.get("differs") || rows.length < 2) return chosen;
        // the comparison cells of the reference are empty
        const told = rows.filter((row) => row[field].all || !row.reference);
        return new Set(told.map((row) => row[field].all)).size > 1;
      });
    }

    // The widths that the browser gives to the columns of the HTML table, with those columns only.
    measure(visible) {
      const frame = document.createElement("div");
      frame.className = "measured";
      const table = this.table.cloneNode(true);
      table.caption?.remove();
      for (const element of table.querySelectorAll("[id]")) element.removeAttribute("id");
      for (const row of table.rows) [...row.cells].forEach((cell, i) => visible[i] || cell.remove());
      frame.append(table);
      this.frame.classList.remove("dense");
      this.frame.append(frame);
      this.frame.classList.toggle("dense", table.offsetWidth > this.frame.clientWidth);
      // Parts of a pixel stay: without its part a column breaks its longest word.
      const found = [...table.tHead.rows[0].cells].map((head) => head.getBoundingClientRect().width);
      frame.remove();
      const shown = this.columns.filter((_, i) => visible[i]);
      return Object.fromEntries(shown.map(({ field }, i) => [field, found[i]]));
    }

    resize() {
      const width = this.frame.clientWidth;
      if (width && width !== this.width) this.layout();
      this.width = width;
    }

    layout() {
      const visible = this.visible();
      const widths = this.measure(visible);
      this.columns.forEach(({ field }, i) => {
        const column = this.grid.getColumn(field);
        if (column.isVisible() !== visible[i]) visible[i] ? column.show() : column.hide();
        if (visible[i] && column.getWidth() !== widths[field]) column.setWidth(widths[field]);
      });
      this.tools.chosen(visible);
    }

    choose(i, isChosen) {
      const changed = new Set(cutpoint.get(`${this.key}.c`).split(",").filter(Boolean));
      isChosen === !this.columns[i].isExtra ? changed.delete(String(i)) : changed.add(String(i));
      cutpoint.set({ [`${this.key}.c`]: [...changed].join(",") });
    }

    sorted() {
      const [, field, dir] = cutpoint.get(`${this.key}.s`).match(/^(c\d+)-(asc|desc)$/) ?? [];
      return this.columns.some((column) => column.field === field) ? [{ column: field, dir }] : [];
    }

    filtered() {
      const wanted = new URLSearchParams(cutpoint.get(`${this.key}.f`));
      return this.columns.flatMap(({ field }) => (wanted.get(field) ? [{ field, value: wanted.get(field) }] : []));
    }

    // What the reader did in the table goes into the link.
    save() {
      if (!this.ready || this.applying) return;
      const [sort] = this.grid.getSorters();
      const filters = this.grid.getHeaderFilters().map(({ field, value }) => [field, value]);
      const wanted = {
        [`${this.key}.s`]: sort ? `${sort.field}-${sort.dir}` : "",
        [`${this.key}.f`]: new URLSearchParams(filters).toString(),
      };
      if (Object.entries(wanted).some(([key, value]) => cutpoint.get(key) !== value)) cutpoint.set(wanted);
    }

    // What the link says goes into the table.
    update() {
      if (!this.ready) return;
      const keys = ["hide", "differs", ...["s", "f", "c"].map((key) => `${this.key}.${key}`)];
      const state = JSON.stringify(keys.map(cutpoint.get));
      if (state === this.state) return;
      this.state = state;
      this.applying = true;
      const sort = this.sorted();
      const now = this.grid.getSorters().map(({ field, dir }) => ({ column: field, dir }));
      if (JSON.stringify(sort) !== JSON.stringify(now)) sort.length ? this.grid.setSort(sort) : this.grid.clearSort();
      const filters = Object.fromEntries(this.filtered().map(({ field, value }) => [field, value]));
      for (const { field } of this.columns) {
        const value = filters[field] ?? "";
        if ((this.grid.getHeaderFilterValue(field) ?? "") !== value) this.grid.setHeaderFilterValue(field, value);
      }
      this.grid.refreshFilter();
      if (Object.keys(filters).length) this.tools.filters(true);
      this.layout();
      this.applying = false;
    }
  }

  const start = () => {
    const near = new IntersectionObserver(
      (entries) => {
        for (const { target } of entries.filter((entry) => entry.isIntersecting)) {
          near.unobserve(target);
          live.push(new Live(target, tables.indexOf(target)));
        }
      },
      { rootMargin: "300px" },
    );
    const tables = [...document.querySelectorAll("table.sortable")];
    for (const table of tables) if (rowsOf(table).length > 1) near.observe(table);
    cutpoint.on(() => live.forEach((one) => one.update()));
  };
  return { start };
})();
