"use strict";
// The gallery: the pictures are in the page without this script, with ground truth and the difference of one
// variant. It filters and sorts them, draws the chosen variant, and opens a large view with layers.
cutpoint.gallery = (() => {
  const FILTERS = ["variant", "class", "cause", "error", "slice", "score"];
  const LAYERS = ["truth", "reference", "variant", "difference"];
  // from the top down
  const ORDER = ["missing", "extra", "variant", "reference", "truth", "crowd"];
  const SVG = "http://www.w3.org/2000/svg";

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  const shape = (tag, attributes) => {
    const element = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };

  // Everything that can be drawn of a variant on a picture: {layer, kind, box, name, score, cause, error, facts}.
  const boxesOf = (data, picture, name) => {
    const variant = picture.variants[name];
    const named = (one) => data.names[one.category_id] ?? `category ${one.category_id}`;
    const iou = (other) => (other.iou == null ? "" : `, IoU ${other.iou.toFixed(2)}`);
    const compare = (other, side) => {
      if (!other) return [];
      if (!other.cause) return [[side, `score ${other.score.toFixed(2)}${iou(other)}`]];
      const there = other.score == null ? "" : ` (${other.score.toFixed(2)})`;
      return [[`not in ${side}`, `${data.causes[other.cause]}${there}${iou(other)}`]];
    };
    const judged = (one) => (one.error ? [["against ground truth", one.error]] : []);
    const boxes = picture.objects.map((one, place) => {
      const missed = variant?.missed.includes(place);
      return {
        layer: "truth", kind: one.crowd ? "crowd" : "truth", box: one.box, name: named(one), error: missed ? "missed" : "",
        text: named(one) + (one.crowd ? " (crowd)" : ""), who: "ground truth",
        facts: missed ? [[name, "missed"]] : [],
      };
    });
    const detections = (list, others, layer, who, side) =>
      list.forEach((one, place) => {
        const other = others?.[place];
        const shared = {
          box: one.box, name: named(one), score: one.score, cause: other?.cause ?? "", who,
          error: layer === "variant" ? (one.error ?? "") : "", facts: [...compare(other, side), ...judged(one)],
        };
        const text = `${shared.name} ${one.score.toFixed(2)}`;
        boxes.push({ ...shared, layer, kind: layer, text });
        if (!other?.cause) return;
        const [kind, sign] = layer === "variant" ? ["extra", "+"] : ["missing", "−"];
        boxes.push({ ...shared, layer: "difference", kind, text: `${sign} ${text}` });
      });
    detections(picture.reference, variant?.of_reference, "reference", `reference ${data.reference}`, name);
    if (variant) detections(variant.detections, variant.partners, "variant", name, data.reference);
    return boxes;
  };

  const range = (text) => {
    const [low, high] = text.split("-").map((part) => (part === "" ? NaN : Number(part)));
    return [Number.isFinite(low) ? low : 0, Number.isFinite(high) ? high : 1];
  };
  // Whether a box is what the reader asks for.
  const wanted = (box, filter) => {
    const [low, high] = range(filter.score);
    return (
      (!filter.class || box.name === filter.class) &&
      (!filter.cause || box.cause === filter.cause) &&
      (!filter.error || box.error === filter.error) &&
      (!filter.score || (box.score != null && box.score >= low && box.score <= high))
    );
  };
  const narrow = (filter) => ["class", "cause", "error", "score"].some((key) => filter[key]);
  // The variants of a picture that show what the reader asks for; null if the picture does not.
  const matching = (data, picture, filter, hidden) => {
    if (filter.slice && !picture.slices.includes(filter.slice)) return null;
    const names = Object.keys(picture.variants).filter((name) => !filter.variant || name === filter.variant);
    const shown = names.filter((name) => filter.variant || !hidden.includes(name));
    if (!narrow(filter)) {
      const differing = shown.filter((name) => picture.variants[name].disagreement);
      return filter.variant && !differing.length ? null : differing;
    }
    const found = shown.filter((name) =>
      boxesOf(data, picture, name).some((box) => box.layer !== "difference" && wanted(box, filter)));
    if (found.length) return found;
    if (filter.variant || filter.cause || filter.error) return null;
    return boxesOf(data, picture, null).some((box) => wanted(box, filter)) ? [] : null;
  };

  const put = (scene, data, picture, boxes, filter, large) => {
    const svg = shape("svg", { viewBox: `0 0 ${picture.width} ${picture.height}`, preserveAspectRatio: "none" });
    if (!large) svg.setAttribute("aria-hidden", "true");
    const labels = [];
    const area = ({ box }) => (box[2] - box[0]) * (box[3] - box[1]);
    const dims = (box) => large && narrow(filter) && !wanted(box, filter);
    const hits = [];
    const shapes = [];
    // a smaller box is reached above a larger one
    for (const one of [...boxes].sort((a, b) => area(b) - area(a))) {
      const [x, y, right, bottom] = one.box;
      const place = { x, y, width: Math.max(right - x, 0), height: Math.max(bottom - y, 0) };
      const dim = dims(one) ? " dim" : "";
      svg.append(shape("rect", { ...place, class: `case ${one.layer}-case${dim}` }));
      shapes.push([ORDER.indexOf(one.kind), shape("rect", { ...place, class: one.kind + dim })]);
      if (!large) continue;
      const said = [...one.facts.map(([key, value]) => `${key}: ${value}`)].join("; ");
      const hit = shape("rect", {
        ...place, class: "hit", tabindex: "0", role: "img",
        "aria-label": `${one.who}: ${one.text}${said && "; " + said}`,
      });
      hits.push([hit, one]);
      // above the box, the variant's below it; inside the picture
      const low = ["variant", "extra"].includes(one.kind);
      const percent = (value, length) => Math.min(Math.max((100 * value) / length, 0), 100);
      const left = percent(x, picture.width);
      const top = percent(low || one.layer === "truth" ? bottom : y, picture.height);
      const label = make("span", { class: `box-label ${one.kind}${dim}` }, one.text);
      label.style.left = `${left > 70 ? percent(right, picture.width) : left}%`;
      label.style.top = `${top}%`;
      label.classList.toggle("side", left > 70);
      label.classList.toggle("below", low ? top < 94 : top < 5);
      labels.push(label);
    }
    // below a dashed missing box its drifted counterpart can be seen
    svg.append(...shapes.sort((a, b) => b[0] - a[0]).map(([, element]) => element), ...hits.map(([hit]) => hit));
    for (const old of scene.querySelectorAll("svg, .box-label")) old.remove();
    scene.querySelector("img").after(svg, ...labels);
    return hits;
  };
  // Moves labels down until none lies on another; on a small picture ground truth goes without.
  const arrange = (scene) => {
    const size = scene.getBoundingClientRect();
    scene.classList.toggle("tight", size.width < 600);
    const rank = (label) => ORDER.findIndex((kind) => label.classList.contains(kind));
    const placed = [];
    for (const label of [...scene.querySelectorAll(".box-label")].sort((a, b) => rank(a) - rank(b))) {
      label.style.marginTop = "";
      const { left, right, top, bottom } = label.getBoundingClientRect();
      let move = 0;
      for (let tries = 0; tries < 12; tries += 1) {
        const other = placed.find((one) =>
          one.left < right && left < one.right && one.top < bottom + move && top + move < one.bottom);
        if (!other) break;
        move = other.bottom + 1 - top;
      }
      label.style.marginTop = `${move}px`;
      placed.push({ left, right, top: top + move, bottom: bottom + move });
    }
  };

  const open = (place) => {
    const group = place.dataset.gallery;
    const data = cutpoint.data(`${place.id}-data`);
    const cards = [...place.querySelectorAll(".shot")];
    if (!cards.length) return;
    place.classList.add("scripted");
    const key = (name) => `g${group}.${name}`;
    const read = () => Object.fromEntries(FILTERS.map((name) => [name, cutpoint.get(key(name))]));
    const words = {
      cause: (value) => data.causes[value] ?? value.replaceAll("_", " "),
      order: (value) => (value === "lost" ? "by lost AP" : "by disagreement"),
    };
    const variants = [...new Set(data.pictures.flatMap((picture) => Object.keys(picture.variants)))];
    const names = [...new Set(data.pictures.flatMap((picture) =>
      [...picture.objects, ...picture.reference, ...Object.values(picture.variants).flatMap((one) => one.detections)]
        .map((one) => data.names[one.category_id] ?? `category ${one.category_id}`)))].sort();
    const options = {
      variant: variants, class: names, cause: Object.keys(data.causes), error: data.errors,
      slice: [...new Set(data.pictures.flatMap((picture) => picture.slices ?? []))].sort(),
    };
    let visible = [];

    const bar = make("form", { class: "gallery-bar", "aria-label": "Filters of the gallery" });
    const active = make("div", { class: "gallery-active", "aria-live": "polite" });
    const fields = new Map();
    const field = (name, title, control) => {
      bar.append(make("label", {}, title, control));
      fields.set(name, control);
    };
    const choice = (name, title, values, any) => {
      if (!values.length) return;
      const select = make("select", { name }, ...any.map((text) => make("option", { value: "" }, text)));
      for (const value of values) select.append(make("option", { value }, words[name]?.(value) ?? value));
      select.addEventListener("change", () => cutpoint.set({ [key(name)]: select.value }));
      field(name, title, select);
    };
    if (variants.length) choice("order", "order", data.labelled ? ["lost"] : [], ["by disagreement"]);
    for (const [name, values] of Object.entries(options)) choice(name, name === "error" ? "error type" : name, values, ["all"]);
    for (const [name, title] of [["low", "score from"], ["high", "to"]]) {
      const input = make("input", { type: "number", min: "0", max: "1", step: "0.05", name });
      input.addEventListener("change", () => {
        const [low, high] = [fields.get("low").value, fields.get("high").value];
        cutpoint.set({ [key("score")]: low || high ? `${low || 0}-${high || 1}` : "" });
      });
      field(name, title, input);
    }
    bar.addEventListener("submit", (event) => event.preventDefault());
    const legend = place.querySelector(".gallery-key");
    legend.before(bar, active);
    legend.append(" ", make("span", { class: "key reference" }, "reference, where no variant differs"));

    const jump = make("a", { class: "gallery-jump", href: `#${place.id}`, hidden: "" });
    jump.addEventListener("click", (event) => {
      event.preventDefault();
      jump.hidden = true;
      place.scrollIntoView();
    });
    document.body.append(jump);
    let near = false;
    new IntersectionObserver((entries) => {
      near = entries.at(-1).isIntersecting;
      if (near) jump.hidden = true;
    }).observe(place);

    const describe = (filter, count) => {
      active.replaceChildren(`${count} of ${cards.length} pictures`);
      const chosen = FILTERS.filter((name) => filter[name]);
      for (const name of chosen) {
        const button = make("button", { type: "button", title: "Clear this filter" }, `${name}: ${words[name]?.(filter[name]) ?? filter[name]} ×`);
        button.addEventListener("click", () => cutpoint.set({ [key(name)]: "" }));
        active.append(button);
      }
      if (!chosen.length) return;
      const clear = make("button", { type: "button", class: "clear" }, "clear all");
      clear.addEventListener("click", () => cutpoint.set(Object.fromEntries(FILTERS.map((name) => [key(name), ""]))));
      active.append(clear);
      if (!count) active.append("No picture here has such a box. All boxes are in results/autopsies and results/detections.");
    };

    let last = null;
    const update = () => {
      const filter = read();
      const hidden = cutpoint.get("hide");
      const order = cutpoint.get(key("order"));
      const now = JSON.stringify([filter, hidden, order]);
      if (now === last) return;
      for (const [name, control] of fields) {
        if (name === "low" || name === "high") {
          const [low, high] = filter.score ? range(filter.score) : ["", ""];
          control.value = name === "low" ? low : high;
          continue;
        }
        const value = name === "order" ? order : filter[name];
        if (value && ![...control.options].some((option) => option.value === value)) {
          control.append(make("option", { value }, words[name]?.(value) ?? value));
        }
        control.value = value;
      }
      visible = [];
      cards.forEach((card, index) => {
        const picture = data.pictures[index];
        const found = matching(data, picture, filter, hidden);
        card.hidden = found === null;
        if (found === null) return;
        const measure = (name) => (order === "lost" ? (picture.variants[name].lost ?? 0) : picture.variants[name].disagreement);
        const shown = found.length ? found : Object.keys(picture.variants).filter((name) => !hidden.includes(name));
        const best = [...shown].sort((a, b) => measure(b) - measure(a))[0] ?? null;
        const points = best === null ? 0 : measure(best);
        visible.push({ index, points, variant: filter.variant || (found.length ? best : null) });
      });
      visible.sort((a, b) => b.points - a.points || a.index - b.index);
      visible.forEach(({ index, variant }, rank) => {
        const picture = data.pictures[index];
        const boxes = boxesOf(data, picture, variant).filter((box) =>
          box.layer === "truth" || (variant ? box.layer === "difference" : box.layer === "reference"));
        put(cards[index].querySelector(".scene"), data, picture, boxes, filter, false);
        cards[index].style.order = rank;
        const one = picture.variants[variant];
        const count = (kind) => boxes.filter((box) => box.kind === kind).length;
        const lost = one?.lost ? `, lost ${one.lost}` : "";
        const said = one ? `${variant}: ${count("missing")} missing, ${count("extra")} extra${lost}` : "no variant differs";
        cards[index].querySelector(".said").textContent = said;
        cards[index].querySelector(".enlarge").setAttribute("aria-label", `${picture.file_name}: ${said}. Open large`);
      });
      describe(filter, visible.length);
      if (last !== null && !near && FILTERS.some((name) => filter[name])) {
        jump.textContent = `Gallery: ${visible.length} of ${cards.length} pictures`;
        jump.hidden = false;
      }
      last = now;
    };

    let layers = null;
    const enlarge = (start) => {
      const list = [...visible];
      const first = list.findIndex(({ index }) => index === start);
      let chosen = null; // the variant that the reader has chosen in the large view
      const view = new PhotoSwipe({
        dataSource: list.map(({ index }) => {
          const { width, height } = data.pictures[index];
          const scale = 4000 / Math.max(width, height);
          return { type: "boxes", index, width: Math.round(width * scale), height: Math.round(height * scale) };
        }),
        index: Math.max(first, 0), bgOpacity: 1, loop: false, showHideAnimationType: "none", wheelToZoom: true,
        clickToCloseNonZoomable: false, tapAction: false, doubleTapAction: "zoom", imageClickAction: false, bgClickAction: "close",
        secondaryZoomLevel: (zoom) => zoom.fit * 2.5, maxZoomLevel: (zoom) => zoom.fit * 8,
        paddingFn: (size) => ({ top: 56, bottom: size.x < 700 ? 190 : 120, left: 12, right: 12 }),
      });
      const facts = make("p", { class: "large-facts", "aria-live": "polite" });
      const credit = make("p", { class: "large-credit" });
      const panel = make("div", { class: "large-panel" });
      const variantOf = (picture, entry) => {
        const has = (name) => name != null && name in picture.variants;
        return has(chosen) ? chosen : has(entry.variant) ? entry.variant : (Object.keys(picture.variants)[0] ?? null);
      };
      const on = (picture, variant) =>
        layers ?? (picture.variants[variant]?.disagreement ? ["truth", "difference"] : ["truth", "reference"]);
      const hint = "Point at a box, or press Tab, for its facts.";
      const tell = (box) => {
        if (!box) return facts.replaceChildren(hint);
        facts.replaceChildren(make("b", {}, `${box.who}: ${box.text}`), ...box.facts.map(([name, value]) => ` · ${name}: ${value}`));
      };
      const draw = (scene, entry) => {
        const picture = data.pictures[entry.index];
        const variant = variantOf(picture, entry);
        const shown = on(picture, variant);
        const boxes = boxesOf(data, picture, variant).filter((box) => shown.includes(box.layer));
        // a box that differs is drawn once, as the difference
        const drawn = boxes.filter((box) => box.layer === "difference" || !box.cause || !shown.includes("difference"));
        for (const [hit, box] of put(scene, data, picture, drawn, read(), true)) {
          for (const event of ["pointerenter", "focus", "click"]) hit.addEventListener(event, () => tell(box));
          for (const event of ["pointerleave", "blur"]) hit.addEventListener(event, () => tell(null));
        }
        arrange(scene);
      };
      const sized = new ResizeObserver((entries) => entries.forEach(({ target }) => arrange(target)));
      const fill = () => {
        const entry = list[view.currIndex];
        const picture = data.pictures[entry.index];
        const variant = variantOf(picture, entry);
        const shown = on(picture, variant);
        const controls = make("div", { class: "large-layers", role: "group", "aria-label": "Layers" });
        for (const layer of LAYERS) {
          if ((layer === "truth" && !data.labelled) || (!variant && ["variant", "difference"].includes(layer))) continue;
          const box = make("input", { type: "checkbox", name: layer });
          box.checked = shown.includes(layer);
          box.addEventListener("change", () => {
            layers = LAYERS.filter((name) => (name === layer ? box.checked : shown.includes(name)));
            redraw(`[name="${layer}"]`);
          });
          const title = { truth: "ground truth", reference: `reference ${data.reference}`, variant: "variant" }[layer];
          const keys = layer === "difference"
            ? [make("span", { class: "key missing" }, "− missing"), make("span", { class: "key extra" }, "+ extra")]
            : [make("span", { class: `key ${layer}` }, title)];
          controls.append(make("label", {}, box, ...keys));
          if (layer !== "variant") continue;
          const select = make("select", { name: "shown", "aria-label": "variant that is drawn" });
          for (const name of Object.keys(picture.variants)) {
            const { disagreement } = picture.variants[name];
            select.append(make("option", { value: name }, `${name} (${disagreement || "no"} difference${disagreement === 1 ? "" : "s"})`));
          }
          select.value = variant;
          select.addEventListener("change", () => {
            chosen = select.value;
            redraw('[name="shown"]');
          });
          controls.append(select);
        }
        credit.replaceChildren(picture.file_name);
        const link = (href, text) => make("a", { href, target: "_blank", rel: "noreferrer" }, text);
        if (picture.source) credit.append(" · ", link(picture.source, "source"));
        if (picture.licence != null) {
          const licence = data.licences[picture.licence] ?? {};
          const text = licence.name ?? `licence ${picture.licence}`;
          credit.append(" · ", licence.url ? link(licence.url, text) : text);
        }
        tell(null);
        panel.replaceChildren(controls, facts, credit);
      };
      const redraw = (focus) => {
        view.mainScroll.itemHolders.forEach(({ slide }) => {
          if (slide?.content.element) draw(slide.content.element, list[slide.index]);
        });
        fill();
        panel.querySelector(focus)?.focus();
      };
      view.addFilter("isContentZoomable", () => true);
      view.on("contentLoad", (event) => {
        event.preventDefault();
        const { content } = event;
        const entry = list[content.index];
        const picture = data.pictures[entry.index];
        const image = make("img", { src: cards[entry.index].querySelector("img").src, alt: picture.file_name, draggable: "false" });
        content.element = make("div", { class: "scene large" }, image);
        draw(content.element, entry);
        sized.observe(content.element);
        content.onLoaded();
      });
      view.on("uiRegister", () =>
        view.ui.registerElement({
          name: "layers", appendTo: "root",
          onInit: (element) => {
            element.append(panel);
            // arrows choose a variant here, and not another picture
            element.addEventListener("keydown", (event) => event.key !== "Escape" && event.stopPropagation());
          },
        }));
      view.on("change", fill);
      view.on("destroy", () => sized.disconnect());
      view.on("afterInit", () => view.element.setAttribute("aria-label", "Picture with boxes"));
      view.init();
    };
    cards.forEach((card, index) => {
      const button = make("button", { type: "button", class: "enlarge" });
      button.addEventListener("click", () => enlarge(index));
      card.querySelector(".scene").append(button);
    });
    cutpoint.on(update);
    update();
    // a link into the gallery changes its filters, and keeps all else that the reader has chosen
    document.addEventListener("click", (event) => {
      const link = event.target.closest?.(`a[href^="#${place.id}?"]`);
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      const none = Object.fromEntries(FILTERS.map((name) => [key(name), ""]));
      cutpoint.set({ ...none, ...Object.fromEntries(new URLSearchParams(link.getAttribute("href").split("?")[1])) });
      jump.hidden = true;
      place.scrollIntoView();
    });
  };
  const start = () => document.querySelectorAll("[data-gallery]").forEach(open);
  return { start };
})();
