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
