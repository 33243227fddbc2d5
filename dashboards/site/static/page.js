// Draws each figure from the data beside it; without this script every table still reads.
"use strict";

(function () {
  const config = {
    responsive: true,
    displayModeBar: false,
    scrollZoom: false,
    doubleClick: false,
    locale: document.documentElement.lang,
  };

  // Figures name their colours as the style sheet does; here they get the values that it gives them
  // now: those of the reader's scheme, or those of paper.
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

  function figureOf(holder) {
    const told = JSON.parse(document.getElementById(holder.dataset.figure).textContent);
    return coloured(told, getComputedStyle(document.documentElement));
  }

  async function draw(holder) {
    const figure = figureOf(holder);
    holder.style.height = figure.layout.height + "px";
    await Plotly.newPlot(holder, figure.data, figure.layout, config);
    scaled(holder);
    holder.on("plotly_relayout", function () { scaled(holder); });
    holder.dataset.drawn = "yes";
  }

  // Paper is narrower than the screen: with these the style sheet can make a drawing smaller.
  function scaled(holder) {
    const size = holder._fullLayout;
    holder.style.setProperty("--width", size.width + "px");
    holder.style.setProperty("--ratio", size.width + "/" + size.height);
    holder.querySelectorAll(".main-svg").forEach(function (svg) {
      svg.setAttribute("viewBox", "0 0 " + size.width + " " + size.height);
    });
  }

  async function drawAll() {
    for (const holder of document.querySelectorAll("[data-figure]")) {
      await draw(holder);
    }
    document.documentElement.dataset.drawn = "yes";
  }

  function recolour() {
    document.querySelectorAll("[data-figure][data-drawn]").forEach(function (holder) {
      const figure = figureOf(holder);
      Plotly.react(holder, figure.data, figure.layout, config);
    });
  }
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", recolour);

  // Which items are shown is in the address, so that it can be kept and sent. What the address asks
  // for is held against what the page offers; anything else falls back, and is said to.
  function filtered(box) {
    const controls = Array.from(box.querySelectorAll("[data-filter]"));
    const names = Array.from(new Set(controls.map(function (one) { return one.dataset.filter; })));
    const items = Array.from(document.querySelectorAll("[data-item]"));
    const note = box.querySelector("[role=status]");
    const known = {};
    names.forEach(function (name) {
      const own = controls.filter(function (one) { return one.dataset.filter === name; });
      known[name] = own.flatMap(function (one) {
        return one.options ? Array.from(one.options, function (o) { return o.value; }) : one.value;
      });
    });

    function asked() {
      const found = new URLSearchParams(location.search);
      const state = { bad: null };
      names.forEach(function (name) {
        const value = found.get(name) || "";
        state[name] = known[name].includes(value) ? value : "";
        if (state[name] !== value) { state.bad = value; }
      });
      return state;
    }

    function show(state) {
      const shown = new Set();
      items.forEach(function (item) {
        item.hidden = names.some(function (name) {
          return state[name] && item.dataset[name] !== state[name];
        });
        if (!item.hidden) { shown.add(item.dataset.item); }
      });
      document.querySelectorAll("[data-part]").forEach(function (part) {
        part.hidden = !part.querySelector("[data-item]:not([hidden])");
      });
      controls.forEach(function (one) {
        const value = state[one.dataset.filter];
        if (one.options) { one.value = value; } else {
          one.setAttribute("aria-pressed", String(one.value === value));
        }
      });
      const all = new Set(items.map(function (item) { return item.dataset.item; })).size;
      note.textContent = state.bad !== null
        ? box.dataset.bad.replace("%(value)s", state.bad.slice(0, 40))
        : box.dataset.said.replace("%(shown)s", shown.size).replace("%(all)s", all);
      document.querySelectorAll("a[hreflang]").forEach(function (link) {
        link.search = location.search;
      });
    }

    function choose(name, value) {
      const state = asked();
      state[name] = value;
      const search = new URLSearchParams();
      names.forEach(function (one) { if (state[one]) { search.set(one, state[one]); } });
      const address = location.pathname + (search.size ? "?" + search : "") + location.hash;
      history.pushState(null, "", address);
      show(asked());
    }

    controls.forEach(function (one) {
      one.addEventListener(one.options ? "change" : "click", function () {
        choose(one.dataset.filter, one.value);
      });
    });
    window.addEventListener("popstate", function () { show(asked()); });
    box.hidden = false;
    show(asked());
  }
  document.querySelectorAll("[data-filters]").forEach(filtered);

  // Where the gate let somebody in, there is a way out.
  if (document.cookie.split("; ").includes("eqm-in=1")) {
    const account = document.getElementById("account");
    account.href = "/gate/";
    account.hidden = false;
  }

  // A closed table would be missing on paper, and a figure drawn for the dark be hard to read.
  let opened = [];
  window.addEventListener("beforeprint", function () {
    opened = Array.from(document.querySelectorAll("details:not([open])"));
    opened.forEach(function (part) { part.open = true; });
    document.documentElement.dataset.paper = "";
    if (dark.matches) { recolour(); }
  });
  window.addEventListener("afterprint", function () {
    opened.forEach(function (part) { part.open = false; });
    delete document.documentElement.dataset.paper;
    if (dark.matches) { recolour(); }
  });

  drawAll();
})();
