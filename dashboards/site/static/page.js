// What a page does with scripts: state in the address, tabs, filters, figures and pictures of them.
// Without it every table and every word still reads. Plotly comes after it, so that a reader who
// wants the words does not wait for the drawings.
"use strict";

(function () {
  const root = document.documentElement;
  const all = function (what, within) { return Array.from((within || document).querySelectorAll(what)); };

  // --- State: what is shown is in the address, so that it can be kept and sent. What an address asks
  // for is held against what the page offers; anything else falls back, and is said to.

  const known = new Map(); // name → values that it may have; without any of them, "" stands
  const followers = [];

  function asked() {
    const found = new URLSearchParams(location.search);
    const state = {}, bad = {};
    known.forEach(function (values, name) {
      const value = found.get(name) || "";
      state[name] = values.includes(value) ? value : "";
      if (state[name] !== value) { bad[name] = value.slice(0, 40); }
    });
    return { state, bad };
  }

  function show() {
    const told = asked();
    followers.forEach(function (follow) { follow(told.state, told.bad); });
    all("a[hreflang]").forEach(function (link) { link.search = location.search; });
    drawShown();
  }

  function choose(name, value) {
    const state = asked().state;
    state[name] = value;
    const search = new URLSearchParams();
    known.forEach(function (_values, one) { if (state[one]) { search.set(one, state[one]); } });
    history.pushState(null, "", location.pathname + (search.size ? "?" + search : "") + location.hash);
    show();
  }

  // --- Tabs of a figure: chart, table, download, method. Without scripts they stand one under another.

  function tabbed(box) {
    const panels = Array.from(box.children).filter(function (one) { return one.dataset.tab; });
    const name = "tab-" + box.dataset.tabs, first = panels[0].dataset.tab;
    const list = document.createElement("div");
    const note = document.createElement("p");
    note.setAttribute("role", "status");
    note.className = "note";
    list.setAttribute("role", "tablist");
    list.setAttribute("aria-label", box.dataset.name);
    const tabs = panels.map(function (panel) {
      const tab = document.createElement("button");
      tab.type = "button";
      tab.id = panel.id + "-tab";
      tab.textContent = panel.querySelector(".tab-name").textContent;
      tab.setAttribute("role", "tab");
      tab.setAttribute("aria-controls", panel.id);
      panel.setAttribute("role", "tabpanel");
      panel.setAttribute("aria-labelledby", tab.id);
      list.append(tab);
      tab.addEventListener("click", function () { pick(panel); });
      return tab;
    });

    function pick(panel) {
      choose(name, panel.dataset.tab === first ? "" : panel.dataset.tab);
    }

    list.addEventListener("keydown", function (event) {
      const at = tabs.indexOf(event.target), last = tabs.length - 1;
      const to = { ArrowRight: at < last ? at + 1 : 0, ArrowLeft: at > 0 ? at - 1 : last,
                   Home: 0, End: last }[event.key];
      if (at < 0 || to === undefined) { return; }
      event.preventDefault();
      tabs[to].focus();
      pick(panels[to]);
    });

    known.set(name, panels.map(function (panel) { return panel.dataset.tab; }));
    followers.push(function (state, bad) {
      panels.forEach(function (panel, i) {
        const own = panel.dataset.tab === (state[name] || first);
        panel.hidden = !own;
        tabs[i].setAttribute("aria-selected", String(own));
        tabs[i].tabIndex = own ? 0 : -1;
      });
      note.textContent = name in bad ? box.dataset.bad.replace("%(value)s", bad[name]) : "";
      note.hidden = !note.textContent;
    });
    box.prepend(list, note);
    box.dataset.ready = "";
  }

  // --- Filters: which items are shown.

  function filtered(box) {
    const controls = all("[data-filter]", box);
    const names = Array.from(new Set(controls.map(function (one) { return one.dataset.filter; })));
    const items = all("[data-item]").filter(function (item) {
      return names.some(function (name) { return name in item.dataset; });
    });
    const note = box.querySelector("[role=status]");
    names.forEach(function (name) {
      const own = controls.filter(function (one) { return one.dataset.filter === name; });
      known.set(name, own.flatMap(function (one) {
        return one.options ? Array.from(one.options, function (o) { return o.value; }) : one.value;
      }));
    });

    followers.push(function (state, bad) {
      const shown = new Set();
      items.forEach(function (item) {
        item.hidden = names.some(function (name) {
          return state[name] && item.dataset[name] !== state[name];
        });
        if (!item.hidden) { shown.add(item.dataset.item); }
      });
      all("[data-part]").forEach(function (part) {
        part.hidden = !part.querySelector("[data-item]:not([hidden])");
      });
      controls.forEach(function (one) {
        const value = state[one.dataset.filter];
        if (one.options) { one.value = value; } else {
          one.setAttribute("aria-pressed", String(one.value === value));
        }
      });
      const wrong = names.filter(function (name) { return name in bad; })[0];
      const known = new Set(items.map(function (item) { return item.dataset.item; })).size;
      note.textContent = wrong !== undefined
        ? box.dataset.bad.replace("%(value)s", bad[wrong])
        : box.dataset.said.replace("%(shown)s", shown.size).replace("%(all)s", known);
    });
    controls.forEach(function (one) {
      one.addEventListener(one.options ? "change" : "click", function () {
        choose(one.dataset.filter, one.value);
      });
    });
    box.hidden = false;
  }

  // --- Figures. They name their colours as the style sheet does; here they get the values that it
  // gives them now: those of the reader's scheme, or those of paper.

  const pen = document.createElement("canvas").getContext("2d"); // measures words
  const config = {
    responsive: true,
    displayModeBar: false,
    scrollZoom: false,
    doubleClick: false,
    locale: root.lang,
  };
  const holders = all("[data-figure]");
  const told = new Map(holders.map(function (holder) {
    return [holder, JSON.parse(document.getElementById(holder.dataset.figure).textContent)];
  }));

  function coloured(part, styles) {
    if (typeof part === "string") {
      return part.startsWith("var(--") ? styles.getPropertyValue(part.slice(4, -1)).trim() : part;
    }
    if (Array.isArray(part)) { return part.map(function (one) { return coloured(one, styles); }); }
    if (part === null || typeof part !== "object") { return part; }
    return Object.fromEntries(Object.entries(part).map(function (entry) {
      return [entry[0], coloured(entry[1], styles)];
    }));
  }

  function figureOf(holder, width) {
    const figure = coloured(told.get(holder), getComputedStyle(root));
    fit(figure.layout, figure.data, width || holder.clientWidth);
    return figure;
  }

  // Names of units take two fifths of a chart at most: a longer one stands on two lines, and what
  // does not fit there is left out of its middle. Of ticks that would not fit every other stays.
  function fit(layout, data, width) {
    const down = layout.yaxis, across = layout.xaxis, LINES = 31;
    const units = down.categoryarray;
    if (down.type !== "category" || !units || !down.automargin) { return; }
    const room = Math.max(80, 0.4 * width), size = (down.tickfont || layout.font || {}).size || 12;
    pen.font = size + "px " + getComputedStyle(root).getPropertyValue("--font");
    const long = function (text) { return pen.measureText(text).width; };
    const names = units.map(function (name) {
      if (long(name) <= room) { return name; }
      let first = name.length, last = name.length;
      while (long(name.slice(0, first)) > room) { first -= 1; }
      if (long(name.slice(first)) <= room) { return name.slice(0, first) + "<br>" + name.slice(first); }
      while (long("…" + name.slice(last - 1)) <= room) { last -= 1; }
      return name.slice(0, first) + "<br>…" + name.slice(last);
    });
    if (names.some(function (name, i) { return name !== units[i]; })) {
      Object.assign(down, { tickmode: "array", tickvals: units, ticktext: names });
      const edges = layout.margin.t + layout.margin.b;
      layout.height = Math.max(layout.height, edges + LINES * names.length);
    }
    const labels = across.ticktext || (across.tickvals || []).map(function () { return "100%"; });
    const free = width - Math.min(room, Math.max.apply(null, units.map(long)));
    const wide = labels.reduce(function (sum, text) { return sum + long(text) + 10; }, 0);
    // Of columns every one has its name.
    if (across.tickvals && across.tickmode !== "array" && wide > free) {
      const zero = across.tickvals.indexOf(0);
      const stays = function (_one, i) { return (i - Math.max(0, zero)) % 2 === 0; };
      if (across.ticktext) { across.ticktext = across.ticktext.filter(stays); }
      across.tickvals = across.tickvals.filter(stays);
    }
  }

  // With these the style sheet can make a drawing smaller: paper is narrower than the screen.
  function scaled(holder) {
    const size = holder._fullLayout;
    holder.style.setProperty("--width", size.width + "px");
    holder.style.setProperty("--ratio", size.width + "/" + size.height);
    all(".main-svg", holder).forEach(function (svg) {
      svg.setAttribute("viewBox", "0 0 " + size.width + " " + size.height);
    });
  }

  function draw(holder) {
    const figure = figureOf(holder);
    holder.dataset.drawn = "";
    holder.style.height = figure.layout.height + "px";
    const drawn = Plotly.newPlot(holder, figure.data, figure.layout, config);
    return drawn.then(function () {
      // The room that labels take is known once they are drawn: beside one another, panels have
      // the same height only then.
      return "xaxis2" in figure.layout ? Plotly.relayout(holder, { autosize: true }) : holder;
    }).then(function () {
      scaled(holder);
      holder.on("plotly_relayout", function () { scaled(holder); });
    });
  }

  function left() {
    return holders.filter(function (one) { return !("drawn" in one.dataset) && one.offsetParent; });
  }

  // One after another, and what the reader does comes between.
  let drawing = false;
  async function drawShown() {
    if (drawing || (holders.length && !window.Plotly)) { return; }
    drawing = true;
    delete root.dataset.drawn;
    await Promise.all(holders.filter(function (one) {
      return "drawn" in one.dataset && one.offsetParent && one._fullLayout.width !== one.clientWidth;
    }).map(function (one) { return Plotly.Plots.resize(one); }));
    for (let next = left(); next.length; next = left()) {
      await draw(next[0]);
      await new Promise(function (done) { setTimeout(done, 0); });
    }
    drawing = false;
    root.dataset.drawn = "yes";
  }

  function recolour() {
    holders.filter(function (one) { return "drawn" in one.dataset; }).forEach(function (holder) {
      const figure = figureOf(holder);
      Plotly.react(holder, figure.data, figure.layout, config);
    });
  }
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", recolour);

  // --- Paper: everything is unfolded, and light.

  let opened = [];
  window.addEventListener("beforeprint", function () {
    opened = all("details:not([open])");
    opened.forEach(function (part) { part.open = true; });
    all("[data-tab]").forEach(function (panel) { panel.hidden = false; });
    root.dataset.paper = "";
    if (dark.matches) { recolour(); }
    left().forEach(draw);
  });
  window.addEventListener("afterprint", function () {
    opened.forEach(function (part) { part.open = false; });
    delete root.dataset.paper;
    if (dark.matches) { recolour(); }
    show();
  });

  // --- Pictures to take away: what the chart's tab shows, with finding, measure and source, as one
  // SVG on paper; PNG is that, drawn twice as large.

  const SVG = "http://www.w3.org/2000/svg";
  const WIDE = 960, EDGE = 24;
  function element(name, attributes, text) {
    const made = document.createElementNS(SVG, name);
    Object.entries(attributes).forEach(function (one) { made.setAttribute(one[0], one[1]); });
    if (text) { made.textContent = text; }
    return made;
  }

  // Han may break anywhere, other words between them.
  function lines(text, font, width) {
    pen.font = font;
    const parts = text.trim().replace(/\s+/g, " ").match(/[\u2e80-\u9fff\uff00-\uffef]|[^\s\u2e80-\u9fff\uff00-\uffef]+\s?|\s/g) || [];
    return parts.reduce(function (found, part) {
      const last = found[found.length - 1];
      const fits = pen.measureText(last + part).width <= width || /^[，。；：、）”%]/.test(part);
      return fits ? found.slice(0, -1).concat(last + part) : found.concat(part);
    }, [""]).filter(Boolean);
  }

  // Words where they stand on the page; answers how deep they reach.
  function words(picture, text, style, x, y, width) {
    const size = parseFloat(style.fontSize), step = size * 1.45;
    const said = lines(text, style.fontWeight + " " + style.fontSize + " " + style.fontFamily, width);
    said.forEach(function (line, i) {
      picture.append(element("text", {
        x: x, y: y + size + i * step, fill: style.color, "font-size": size,
        "font-weight": style.fontWeight, "font-family": style.fontFamily,
      }, line));
    });
    return y + said.length * step;
  }

  // All that is asked of the page is asked before the first pause, so that no reader sees it change.
  async function picture(box) {
    const panel = box.querySelector("[data-tab=chart]"), hidden = panel.hidden;
    const section = box.closest("section");
    root.dataset.paper = "";
    panel.hidden = false;
    panel.style.width = WIDE + "px";
    const made = element("svg", { xmlns: SVG, lang: root.lang });
    let y = EDGE;
    [section.querySelector("h2"), section.querySelector(".measure")].filter(Boolean).forEach(function (one) {
      y = words(made, one.textContent, getComputedStyle(one), EDGE, y, WIDE) + 4;
    });
    const zero = panel.getBoundingClientRect(), top = y + 8;
    const at = function (one) {
      const place = one.getBoundingClientRect();
      return { x: EDGE + place.left - zero.left, y: top + place.top - zero.top,
               width: place.width, height: place.height };
    };
    const seen = function (one) { return one.offsetParent !== null; };
    all("h3, figcaption, .key li, .note", panel).filter(seen).forEach(function (one) {
      const place = at(one), sign = one.querySelector(":scope > svg, :scope > .chip");
      const style = getComputedStyle(one);
      if (sign && sign.matches(".chip")) {
        const own = at(sign), look = getComputedStyle(sign);
        made.append(element("rect", { x: own.x, y: own.y, width: own.width, height: own.height,
          rx: own.height / 2, fill: look.backgroundColor, stroke: look.borderColor }));
        words(made, sign.textContent, look, own.x + 8, own.y + 2, own.width);
        return;
      }
      if (sign) {
        const own = at(sign), copy = sign.cloneNode(true);
        copy.setAttribute("x", own.x);
        copy.setAttribute("y", own.y);
        Array.from(sign.children).forEach(function (shape, i) {
          const look = getComputedStyle(shape);
          ["fill", "stroke", "stroke-width", "stroke-dasharray"].forEach(function (name) {
            copy.children[i].setAttribute(name, look.getPropertyValue(name));
          });
        });
        made.append(copy);
        words(made, one.textContent, style, own.x + own.width + 8, place.y, place.width);
        return;
      }
      words(made, one.textContent, style, place.x, place.y, place.width);
    });
    const charts = all("[data-figure]", panel).filter(seen).map(function (holder) {
      return { place: at(holder), figure: figureOf(holder, at(holder).width) };
    });
    y = top + zero.height + 12;
    const foot = all(".foot p:not(.download)");
    y = words(made, foot.map(function (one) { return one.textContent; }).join(" "),
              getComputedStyle(foot[0]), EDGE, y, WIDE) + EDGE;
    const paper = getComputedStyle(root).getPropertyValue("--paper").trim();
    panel.hidden = hidden;
    panel.style.width = "";
    delete root.dataset.paper;
    const width = WIDE + 2 * EDGE, height = Math.ceil(y);
    made.setAttribute("width", width);
    made.setAttribute("height", height);
    made.setAttribute("viewBox", "0 0 " + width + " " + height);
    made.prepend(element("rect", { width: width, height: height, fill: paper }));
    for (const chart of charts) {
      const size = { format: "svg", width: chart.place.width, height: chart.figure.layout.height };
      const address = await Plotly.toImage({ data: chart.figure.data, layout: chart.figure.layout }, size);
      const text = decodeURIComponent(address.slice(address.indexOf(",") + 1));
      const inner = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
      inner.setAttribute("x", chart.place.x);
      inner.setAttribute("y", chart.place.y);
      made.append(document.importNode(inner, true));
    }
    return { text: new XMLSerializer().serializeToString(made), width, height };
  }

  function png(drawing) {
    return new Promise(function (done, failed) {
      const image = new Image();
      image.onerror = failed;
      image.onload = function () {
        const canvas = document.createElement("canvas");
        canvas.width = 2 * drawing.width;
        canvas.height = 2 * drawing.height;
        canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
        canvas.toBlob(done, "image/png");
      };
      image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(drawing.text);
    });
  }

  function pictured(box) {
    const line = box.querySelector("[data-pictures]");
    if (!line || !box.querySelector("[data-figure]")) { return; }
    all("button", line).forEach(function (button) {
      button.addEventListener("click", async function () {
        button.disabled = true;
        const drawing = await picture(box);
        const blob = button.value === "png" ? await png(drawing)
          : new Blob([drawing.text], { type: "image/svg+xml" });
        const link = document.createElement("a");
        const page = location.pathname.split("/").pop().replace(/\.html$/, "") || "index";
        link.href = URL.createObjectURL(blob);
        link.download = page + "-" + box.dataset.tabs + "." + button.value;
        link.click();
        setTimeout(function () { URL.revokeObjectURL(link.href); }, 60000);
        button.disabled = false;
      });
    });
    line.hidden = false;
  }

  // Where the gate let somebody in, there is a way out.
  if (document.cookie.split("; ").includes("eqm-in=1")) {
    const account = document.getElementById("account");
    account.href = "/gate/";
    account.hidden = false;
    const releases = document.getElementById("releases");
    if (releases) {
      releases.href = "/gate/releases?lang=" + document.documentElement.lang.slice(0, 2);
      releases.hidden = false;
      becameOf(document.getElementById("standing"));
    }
  }

  // What became of the release of this page since it was made, the gate knows.
  async function becameOf(note) {
    const answer = await fetch("/gate/standing/" + note.dataset.release);
    if (!answer.ok) { return; }
    const told = await answer.json();
    const said = note.dataset[told.state];
    if (!said) { return; }
    const permanent = location.pathname.match(/^\/r\/[^/]+(\/.*)$/);
    const lines = [told.until ? said + " " + told.until : said];
    if (told.reason) { lines.push(told.reason); }
    lines.forEach(function (line, i) {
      const one = document.createElement(i ? "p" : "span");
      one.textContent = line;
      note.append(one, " ");
    });
    if (permanent && (told.state === "superseded" || told.state === "corrected")) {
      const link = document.createElement("a");
      link.href = permanent[1];
      link.textContent = note.dataset.newest;
      note.append(link);
    }
    note.hidden = false;
  }

  all("[data-tabs]").forEach(tabbed);
  all("[data-tabs]").forEach(pictured);
  all("[data-filters]").forEach(filtered);
  holders.forEach(function (holder) { holder.style.height = told.get(holder).layout.height + "px"; });
  window.addEventListener("popstate", show);
  document.addEventListener("DOMContentLoaded", drawShown);
  show();
})();
