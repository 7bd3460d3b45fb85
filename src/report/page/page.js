// What a page does besides being read: figures are drawn from the tables behind them, tables sort,
// both are saved, and the colours change.
"use strict";
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = "";  // "": as the system has it
  let printing = false;
  const theme = () => (printing ? "light" : chosen || (system.matches ? "dark" : "light"));

  // --- data

  // NaN where there is none.
  const number = (cell) => {
    const text = cell.dataset.value ?? cell.textContent;
    return text === "" ? NaN : Number(text);
  };
  const plain = (cell) => cell.dataset.value ?? (cell.textContent === "-" ? "" : cell.textContent);
  const heads = (table) => [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  const titleOf = (head) => head.firstChild.textContent.trim();

  function dataOf(figure) {
    const table = figure.querySelector("table");
    const bars = figure.dataset.kind === "bars";
    const axis = (name) => ({
      title: figure.dataset[`${name}Title`] ?? "", log: `${name}Log` in figure.dataset, bytes: `${name}Bytes` in figure.dataset,
    });
    return {
      kind: figure.dataset.kind, title: figure.querySelector("h3").textContent, x: axis("x"), y: axis("y"),
      series: heads(table).slice(1).map(titleOf), keys: heads(table).slice(1).map((head) => head.dataset.key),
      rows: [...table.tBodies[0].rows].map((row) => ({
        name: bars ? row.cells[0].textContent : number(row.cells[0]),
        values: [...row.cells].slice(1).map((cell) => (Number.isNaN(number(cell)) ? null : number(cell))),
      })),
    };
  }

  // --- saving

  function save(name, type, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }
  // As RFC 4180 has it.
  function csvOf(table) {
    const field = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const line = (cells) => cells.map(field).join(",") + "\r\n";
    return line(heads(table).map((head) => head.dataset.key ?? titleOf(head))) +
      [...table.tBodies[0].rows].map((row) => line([...row.cells].map(plain))).join("");
  }
  function button(text, label, work) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.title = label;
    made.setAttribute("aria-label", label);
    made.addEventListener("click", work);
    return made;
  }

  // --- what stands beside the pointer

  const hint = document.createElement("div");
  hint.className = "hint";
  hint.setAttribute("role", "status");
  hint.hidden = true;
  document.body.append(hint);
  function show(data, event, where) {
    const row = data.rows[where.line];
    hint.replaceChildren();
    const title = document.createElement("b");
    title.textContent = charts.place(data, row.name) + (data.kind === "lines" && data.x.title ? ` ${data.x.title}` : "");
    hint.append(title);
    row.values.forEach((value, i) => {
      if (value === null || (data.kind === "bars" && value === 0)) return;
      const line = document.createElement("span");
      const name = document.createElement("i");
      name.textContent = data.series[i];
      name.style.borderLeft = `10px solid ${charts.colour(data, i, theme())}`;
      name.style.paddingLeft = "6px";
      const text = document.createElement("span");
      text.textContent = charts.text(data.kind === "bars" ? data.x : data.y, value);
      if (i === where.at) line.className = "here";
      line.append(name, text);
      hint.append(line);
    });
    hint.hidden = false;
    const box = hint.getBoundingClientRect();
    hint.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 8))}px`;
    hint.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - box.height - 8))}px`;
  }

  // --- figures

  const figures = [...document.querySelectorAll("figure")].map((element, at) => ({
    element, id: `figure${at}`, data: dataOf(element), plot: element.querySelector(".plot"), view: null,
  }));
  function draw(figure) {
    const width = Math.floor(figure.plot.clientWidth);
    if (width === 0 || figure.data.rows.length === 0) return;
    figure.view?.finalize();
    const now = theme();
    const spec = charts.spec(figure.data, figure.id, width, now);
    figure.view = new vega.View(vega.parse(spec), { renderer: "svg", container: figure.plot, hover: true });
    figure.view.tooltip((_, event, item, value) => {
      if (value && value.line !== undefined) show(figure.data, event, value);
      else hint.hidden = true;
    });
    figure.view.run();
    figure.drawn = `${width} ${now}`;
    const defs = charts.patterns(figure.data, figure.id, now);
    if (defs.length === 0) return;
    const box = new DOMParser().parseFromString(`<svg xmlns="http://www.w3.org/2000/svg"><defs>${defs.join("")}</defs></svg>`, "image/svg+xml");
    figure.plot.querySelector("svg").prepend(document.importNode(box.querySelector("defs"), true));
  }
  function drawAll() {
    for (const figure of figures)
      if (figure.drawn !== `${Math.floor(figure.plot.clientWidth)} ${theme()}`) draw(figure);
  }
  async function saveSvg(figure) {
    const defs = charts.patterns(figure.data, figure.id, theme()).join("");
    const svg = await figure.view.toSVG();
    save(`${figure.element.dataset.name}.svg`, "image/svg+xml", svg.replace(/<svg[^>]*>/, (tag) => (defs ? `${tag}<defs>${defs}</defs>` : tag)));
  }
  for (const figure of figures) {
    const tools = document.createElement("div");
    tools.className = "tools";
    const table = figure.element.querySelector("table");
    tools.append(
      button("SVG", `Save "${figure.data.title}" as SVG, in the colours shown`, () => saveSvg(figure)),
      button("CSV", `Save the data of "${figure.data.title}" as CSV`, () => save(`${figure.element.dataset.name}.csv`, "text/csv", csvOf(table))));
    figure.element.querySelector("figcaption").append(tools);
  }

  // --- tables

  function sortBy(table, column) {
    const head = heads(table)[column];
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of heads(table)) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows].map((row) => ({ row, text: plain(row.cells[column]), value: number(row.cells[column]) }));
    // Numbers as such; what has none goes last, either way.
    rows.sort((a, b) => {
      if (a.text === "" || b.text === "") return (a.text === "") - (b.text === "");
      const both = !Number.isNaN(a.value) && !Number.isNaN(b.value);
      const order = both ? a.value - b.value : a.text.localeCompare(b.text, "en", { numeric: true });
      return down ? -order : order;
    });
    table.tBodies[0].append(...rows.map((one) => one.row));
  }
  for (const table of document.querySelectorAll("table")) {
    heads(table).forEach((head, column) => {
      const sort = document.createElement("button");
      sort.type = "button";
      const arrow = document.createElement("span");
      arrow.className = "arrow";
      arrow.setAttribute("aria-hidden", "true");
      sort.append(...head.childNodes);
      sort.firstChild.after(arrow);
      sort.addEventListener("click", () => sortBy(table, column));
      head.append(sort);
    });
  }
  for (const box of document.querySelectorAll(".table")) {
    const table = box.querySelector("table");
    const bar = document.createElement("div");
    bar.className = "bar";
    const rows = [...table.tBodies[0].rows];
    if (rows.length > 12) {
      const filter = document.createElement("input");
      filter.type = "search";
      filter.placeholder = "Filter rows";
      filter.setAttribute("aria-label", `Filter rows of ${table.caption.textContent}`);
      filter.addEventListener("input", () => {
        const words = filter.value.toLowerCase().split(/\s+/);
        for (const row of rows) {
          const text = row.textContent.toLowerCase();
          row.hidden = !words.every((word) => text.includes(word));
        }
      });
      bar.append(filter);
    }
    bar.append(button("CSV", `Save "${table.caption.textContent}" as CSV`, () => save(`${table.id || "table"}.csv`, "text/csv", csvOf(table))));
    box.prepend(bar);
  }

  // --- colours, sizes, paper

  const toggle = button("", "Change the colours", () => {
    chosen = { "": "light", light: "dark", dark: "" }[chosen];
    apply();
  });
  toggle.className = "theme";
  document.querySelector("header").append(toggle);
  function apply() {
    toggle.textContent = { "": "Auto", light: "Light", dark: "Dark" }[chosen];
    root.dataset.theme = theme();
    drawAll();
  }
  root.dataset.theme = theme();
  toggle.textContent = "Auto";
  system.addEventListener("change", apply);
  // On paper nothing scrolls: letters are as small as it takes for all columns to be there.
  function fitTables() {
    const sheet = 1030;  // of the longer side of A4, less its margins
    for (const table of document.querySelectorAll(".wide table")) {
      table.classList.add("measured");
      table.style.setProperty("--fit", Math.min(1, sheet / table.offsetWidth).toFixed(3));
      table.classList.remove("measured");
    }
  }
  addEventListener("beforeprint", () => {
    printing = true;
    fitTables();
    apply();
  });
  addEventListener("afterprint", () => {
    printing = false;
    apply();
  });
  // One after another, so that the first can be read before the last is there.
  const left = figures.slice();
  function next() {
    const figure = left.shift();
    if (figure === undefined) {
      new ResizeObserver(() => requestAnimationFrame(drawAll)).observe(document.querySelector("main"));
      root.dataset.drawn = figures.length;
      return;
    }
    draw(figure);
    setTimeout(next);
  }
  next();
})();
