"use strict";
// Figures: the SVG in the page is there without this script. It becomes a live chart of the same description
// once it is near the screen. A click hands the fields of the mark that the figure lists as `pick` to the
// gallery's filters; the gallery has the same choices for the keyboard. Every chart has the parameters `hide`
// and `mark`. Each figure can be saved: its data as CSV, and itself as SVG.
cutpoint.figures = (() => {
  const FILTERS = ["variant", "class", "cause", "error", "slice", "score"];
  const live = new Map();
  const near = new Set();

  // A chart far from the screen is brought up to date when it comes near.
  const update = (id) => {
    const shown = live.get(id);
    const state = JSON.stringify([cutpoint.get("hide"), cutpoint.get("mark")]);
    if (!shown || !near.has(id) || shown.state === state) return;
    shown.state = state;
    return shown.view.signal("hide", cutpoint.get("hide")).signal("mark", cutpoint.get("mark")).runAsync();
  };
  const choose = (group, pick, datum) => {
    const chosen = pick.filter((key) => datum?.[key] != null && datum[key] !== "");
    if (!chosen.length) return;
    cutpoint.set(
      Object.fromEntries(FILTERS.map((key) => [`g${group}.${key}`, chosen.includes(key) ? datum[key] : ""])),
    );
  };

  const open = async (figure) => {
    const { group, spec, pick } = cutpoint.data(`data-${figure.id}`);
    const place = figure.querySelector(".chart");
    const label = place.querySelector("svg").getAttribute("aria-label");
    const result = await vegaEmbed(place, spec, { actions: false, renderer: "svg", ast: false });
    const drawn = place.querySelector("svg");
    drawn.setAttribute("role", "img");
    drawn.setAttribute("aria-label", label);
    live.set(figure.id, { view: result.view, state: "[[],[]]" });
    if (pick.length) result.view.addEventListener("click", (event, item) => choose(group, pick, item?.datum));
    await update(figure.id);
  };

  const save = (name, type, text) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const csv = (rows) => {
    const heads = [...new Set(rows.flatMap((row) => Object.keys(row)))];
    const quoted = (value) => (/[",\n\r]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : value);
    const cell = (value) => quoted(cutpoint.harmless(value ?? ""));
    return [heads, ...rows.map((row) => heads.map((head) => row[head]))].map((row) => row.map(cell).join(",")).join("\n") + "\n";
  };
  const svg = (figure) =>
    live.get(figure.id)?.view.toSVG() ?? new XMLSerializer().serializeToString(figure.querySelector(".chart svg"));
  const button = (text, label, action) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.setAttribute("aria-label", label);
    made.addEventListener("click", action);
    return made;
  };
  const addButtons = (figure) => {
    const title = figure.querySelector("h4")?.textContent ?? figure.id;
    const tools = document.createElement("div");
    tools.className = "save";
    tools.append(
      button("CSV", `Save the data of “${title}” as CSV`, () =>
        save(`${figure.id}.csv`, "text/csv", csv(cutpoint.data(`data-${figure.id}`).spec.datasets.rows)),
      ),
      button("SVG", `Save “${title}” as SVG`, async () => save(`${figure.id}.svg`, "image/svg+xml", await svg(figure))),
    );
    figure.append(tools);
  };

  const start = () => {
    const seen = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) {
          if (!isIntersecting) near.delete(target.id);
          else if (near.add(target.id) && live.has(target.id)) update(target.id);
          else if (!target.dataset.opened) {
            target.dataset.opened = "yes";
            open(target);
          }
        }
      },
      { rootMargin: "600px" },
    );
    for (const figure of document.querySelectorAll("figure[data-chart]")) {
      addButtons(figure);
      seen.observe(figure);
    }
    cutpoint.on(() => [...live.keys()].forEach(update));
  };
  return { start };
})();
