"use strict";
// Figures: the SVG in the page is there without this script. It becomes a live chart of the same description
// once it is near the screen. A click hands the fields of the mark that the figure lists as `pick` to the
// gallery's filters. Every chart has the parameters `hide` and `mark`.
cutpoint.figures = (() => {
  const live = new Map();
  const update = (view) => view.signal("hide", cutpoint.get("hide")).signal("mark", cutpoint.get("mark")).runAsync();

  const open = async (figure) => {
    const { group, spec, pick } = cutpoint.data(`data-${figure.id}`);
    const place = figure.querySelector(".chart");
    const label = place.querySelector("svg").getAttribute("aria-label");
    // 1: errors; Vega warns of a chart whose variants are all hidden
    const result = await vegaEmbed(place, spec, { actions: false, renderer: "svg", ast: false, logLevel: 1 });
    const drawn = place.querySelector("svg");
    drawn.setAttribute("role", "img");
    drawn.setAttribute("aria-label", label);
    live.set(figure.id, result.view);
    await update(result.view);
    if (pick.length) {
      result.view.addEventListener("click", (event, item) => {
        const chosen = pick.filter((key) => item?.datum?.[key] != null);
        if (chosen.length) cutpoint.set(Object.fromEntries(chosen.map((key) => [`g${group}.${key}`, item.datum[key]])));
      });
    }
  };
  const start = () => {
    const near = new IntersectionObserver(
      (entries) => {
        for (const entry of entries.filter((entry) => entry.isIntersecting)) {
          near.unobserve(entry.target);
          open(entry.target);
        }
      },
      { rootMargin: "600px" },
    );
    for (const figure of document.querySelectorAll("figure[data-chart]")) near.observe(figure);
    cutpoint.on(() => live.forEach(update));
  };
  return { start };
})();
