"use strict";
// The cells of a table: read from the HTML table, and as columns of Tabulator. See tables.js for the marks.
cutpoint.tableCells = (() => {
  const words = (node) => node.textContent.replace(/\s+/g, " ").trim();

  const copy = (node) => {
    const made = document.createElement("div");
    for (const child of node.childNodes) made.append(child.cloneNode(true));
    for (const element of made.querySelectorAll("[id]")) element.removeAttribute("id");
    return made;
  };

  const read = (cell, isNumber) => {
    const parts = {};
    const main = copy(cell);
    for (const part of main.querySelectorAll("[data-part]")) {
      parts[part.dataset.part] = words(part);
      part.remove();
    }
    const text = words(main);
    const exact = cell.dataset.sort;
    const number = parseFloat(exact ?? text);
    const sort = (exact !== undefined || isNumber) && !Number.isNaN(number) ? number : text.toLowerCase();
    return { text, parts, sort, exact, all: words(cell), cell };
  };

  const rowsOf = (table) => {
    const embedded = table.dataset.rows && cutpoint.data(table.dataset.rows);
    if (!embedded) return [...table.tBodies[0].rows];
    const { variant, doubts, rows } = embedded;
    return rows.map((texts) => {
      const row = document.createElement("tr");
      row.dataset.variant = texts[variant];
      for (const text of texts) row.insertCell().textContent = text;
      const doubt = doubts[texts[variant]];
      if (doubt) {
        const flag = document.createElement("small");
        flag.className = "bad";
        flag.dataset.part = "doubt";
        flag.textContent = doubt;
        row.cells[variant].append(" ", flag);
      }
      return row;
    });
  };

  const heads = (table) =>
    [...table.tHead.rows[0].cells].map((head, i) => ({
      head,
      field: `c${i}`,
      title: words(head),
      isNumber: head.classList.contains("number"),
      isExtra: "extra" in head.dataset,
    }));

  const records = (rows, columns) =>
    rows.map((row, id) => {
      const record = { id, variant: row.dataset.variant, reference: row.classList.contains("reference") };
      columns.forEach(({ field, isNumber }, i) => (record[field] = read(row.cells[i], isNumber)));
      return record;
    });

  // The reference first and empty cells last, whichever way a column is sorted.
  const sorter = (a, b, rowA, rowB, column, direction) => {
    const up = direction === "asc" ? 1 : -1;
    const pinned = rowB.getData().reference - rowA.getData().reference;
    if (pinned) return pinned * up;
    if (!a.text || !b.text) return (!a.text - !b.text) * up;
    if (typeof a.sort === "number" && typeof b.sort === "number") return a.sort - b.sort;
    return String(a.sort).localeCompare(String(b.sort), undefined, { numeric: true });
  };

  // "> 0.5" compares numbers, other words are searched for; the reference always stays.
  const passes = (wanted, value, row) => {
    if (row.reference) return true;
    const compared = wanted.match(/^\s*([<>]=?|=)\s*(-?[\d.]+(?:e[-+]?\d+)?)\s*$/i);
    if (!compared) return value.all.toLowerCase().includes(wanted.trim().toLowerCase());
    const [, how, text] = compared;
    const number = Number(text);
    if (typeof value.sort !== "number") return false;
    return {
      "<": value.sort < number,
      "<=": value.sort <= number,
      ">": value.sort > number,
      ">=": value.sort >= number,
      "=": value.sort === number || parseFloat(value.text) === number,
    }[how];
  };

  const title = ({ head, title }) => {
    const made = copy(head);
    const button = document.createElement("button");
    button.type = "button";
    button.append(...[...made.childNodes].filter((node) => !node.classList?.contains("what")));
    made.prepend(button);
    return made;
  };

  const definitions = (columns, data) =>
    columns.flatMap((column, i) => {
      const names = new Set(data.flatMap((row) => Object.keys(row[column.field].parts)));
      const parts = [...names].map((name, n) => {
        for (const row of data) row[`c${i}p${n}`] = row[column.field].parts[name] ?? "";
        return { title: `${column.title}, ${name}`, field: `c${i}p${n}`, visible: false, download: true, accessorDownload: cutpoint.harmless };
      });
      return [
        {
          title: column.title,
          field: column.field,
          titleFormatter: () => title(column),
          formatter: (cell) => {
            const { cell: source } = cell.getValue();
            const element = cell.getElement();
            if (source.tagName === "TH") element.setAttribute("role", "rowheader");
            element.classList.add(...source.classList);
            return copy(source);
          },
          sorter,
          headerSortTristate: true,
          headerSortStartingDir: column.isNumber ? "desc" : "asc",
          headerFilter: "input",
          headerFilterFunc: passes,
          headerFilterPlaceholder: column.isNumber ? "> 0.5" : "contains",
          headerFilterParams: { elementAttributes: { "aria-label": `Filter ${column.title}` } },
          frozen: i === 0,
          resizable: false,
          minWidth: 10,
          hozAlign: column.isNumber ? "right" : "left",
          headerHozAlign: column.isNumber ? "right" : "left",
          visible: !column.isExtra,
          download: true,
          accessorDownload: (value) => value.exact ?? cutpoint.harmless(value.text),
        },
        ...parts,
      ];
    });

  return { rowsOf, heads, records, definitions };
})();
