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

  async function draw(holder) {
    const source = document.getElementById(holder.dataset.figure);
    const figure = JSON.parse(source.textContent);
    holder.style.height = figure.layout.height + "px";
    await Plotly.newPlot(holder, figure.data, figure.layout, config);
    holder.dataset.drawn = "yes";
  }

  async function drawAll() {
    for (const holder of document.querySelectorAll("[data-figure]")) {
      await draw(holder);
    }
    document.documentElement.dataset.drawn = "yes";
  }

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

  // A closed table would be missing on paper.
  let opened = [];
  window.addEventListener("beforeprint", function () {
    opened = Array.from(document.querySelectorAll("details:not([open])"));
    opened.forEach(function (part) { part.open = true; });
    document.querySelectorAll("[data-drawn] .main-svg").forEach(function (svg) {
      Plotly.Plots.resize(svg.closest("[data-drawn]"));
    });
  });
  window.addEventListener("afterprint", function () {
    opened.forEach(function (part) { part.open = false; });
  });

  drawAll();
})();
