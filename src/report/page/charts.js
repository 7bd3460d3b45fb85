// Figures as specifications of Vega, from a figure's data:
//   {kind: "bars"|"lines", title, x: {title, log, bytes}, y: ..., series: [name], keys: [key], rows: [{name, values}]}
"use strict";
const charts = (() => {
  const font = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", Arial, sans-serif';
  // Hues that stay apart for the usual kinds of colour blindness when they differ in lightness too;
  // every second part of a bar is hatched besides, and lines differ in dashes and points.
  const themes = {
    light: {
      paper: "#ffffff", ink: "#1b1f27", faint: "#5b6472", line: "#dfe3e9",
      colours: ["#2f6db5", "#9dc3ec", "#e08214", "#fdc77d", "#1b7f79", "#80cdc1", "#7b4ba0", "#c9b3e0", "#b2182b", "#f1a1a1", "#6b6f76", "#c3c7ce"],
      strokes: ["#2f6db5", "#d9700b", "#1b7f79", "#b2182b", "#7b4ba0", "#6d8f1f", "#0f9bc4", "#c4549c", "#8a6d3b", "#5b6472", "#3f51b5", "#a04b00"],
    },
    dark: {
      paper: "#1a1e26", ink: "#e7eaf0", faint: "#9ba5b5", line: "#313845",
      colours: ["#5b9be6", "#2a5b94", "#f29b38", "#9b5f14", "#3fb8ad", "#1d6b65", "#b18cdb", "#6d4899", "#ef6a6a", "#8f2f37", "#a9b1bd", "#5d6570"],
      strokes: ["#6fa9ee", "#f5a142", "#47c2b6", "#f27878", "#bd9ae6", "#a9cc4f", "#4fc4ea", "#ea86c4", "#cfac6b", "#aab3c0", "#8f9dff", "#e08a4a"],
    },
  };
  // What has a colour of its own in every report, by the column's key.
  const known = {
    cycles_next_level: 0, cycles_walker: 1, cycles_walks: 5, cycles_traps: 2, cycles_instructions: 3, cycles_handler: 4,
    cycles_faults: 8, cycles_kernel: 6, cycles_flushes: 7, cycles_interrupts: 9, cycles_broadcasts: 11,
  };
  const tone = (data, i) => known[data.keys[i]] ?? i % 12;
  const dashes = [[1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [1, 0], [5, 2], [2, 4], [12, 3], [1, 0], [7, 3], [2, 2], [9, 3, 2, 3]];
  const shapes = ["circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "circle", "square", "triangle-up", "diamond", "triangle-down", "cross"];

  const scaled = (value, units, factor) => {
    let at = 0;
    while (Math.abs(value) >= factor && at + 1 < units.length) {
      value /= factor;
      ++at;
    }
    return (Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3))) + units[at];
  };
  function count(value) {
    if (value === null || !isFinite(value)) return "";
    if (Math.abs(value) >= 1e4) return scaled(value, ["", "k", "M", "G", "T", "P"], 1000);
    return String(Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3)));
  }
  const bytes = (value) => scaled(value, [" B", " KiB", " MiB", " GiB", " TiB"], 1024);
  // Sizes of things come in powers of two.
  function size(value) {
    for (const [unit, name] of [[2 ** 30, "G"], [2 ** 20, "M"], [2 ** 10, "K"]])
      if (value >= unit && value % unit === 0) return value / unit + name;
    return count(value);
  }
  const shown = (axis) => (axis.bytes ? bytes : count);
  vega.expressionFunction("mmCount", count);
  vega.expressionFunction("mmBytes", bytes);
  vega.expressionFunction("mmSize", size);

  // Places on an axis of bytes, at round numbers of them.
  function byteTicks(most, count) {
    let step = 1;
    while (most / step > count) step *= 2;
    return Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step);
  }

  const measure = document.createElement("canvas").getContext("2d");
  function widest(texts, pixels) {
    measure.font = `${pixels}px ${font}`;
    return Math.max(0, ...texts.map((text) => measure.measureText(text).width));
  }
  function luminance(colour) {
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255);
    return 0.299 * r + 0.587 * g + 0.114 * b;
  }

  function config(theme) {
    return {
      background: theme.paper,
      font,
      axis: {
        domainColor: theme.faint, tickColor: theme.line, gridColor: theme.line, labelColor: theme.ink, titleColor: theme.faint,
        labelFont: font, titleFont: font, labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", labelPadding: 6, titlePadding: 10,
      },
      legend: { labelColor: theme.ink, labelFont: font, labelFontSize: 12.5, symbolSize: 130, rowPadding: 5, columnPadding: 18, offset: 14 },
      text: { font },
    };
  }
  // It begins where the axis does, `left` of the width.
  function legend(data, left, width, scales) {
    const each = widest(data.series, 12.5) + 50;
    const room = width - left;
    return { ...scales, orient: "top", direction: "horizontal", columns: Math.max(1, Math.min(data.series.length, Math.floor(room / each))), labelLimit: room - 40 };
  }
  function head(data, width, theme) {
    return {
      width, padding: { left: 2, right: 6, top: 4, bottom: 4 }, autosize: { type: "fit-x", contains: "padding", resize: true },
      config: config(theme), description: `${data.title}. The table below has the data.`,
    };
  }

  // Patterns for every second part: SVG elements, to stand in each picture.
  function patterns(data, id, theme) {
    return data.series.map((_, i) => {
      const base = `<rect width="7" height="7" fill="${theme.colours[tone(data, i)]}"/>`;
      const hatch = tone(data, i) % 2 === 1 ? `<path d="M-1,1 l2,-2 M0,7 l7,-7 M6,8 l2,-2" stroke="${theme.paper}" stroke-opacity=".75" stroke-width="1.3"/>` : "";
      return `<pattern id="${id}-${i}" width="7" height="7" patternUnits="userSpaceOnUse">${base}${hatch}</pattern>`;
    });
  }

  function bars(data, id, width, theme) {
    const narrow = width < 560;
    const many = data.rows.length > 24;
    const step = narrow ? 44 : many ? 21 : 32;
    const left = narrow ? 0 : Math.min(widest(data.rows.map((row) => row.name), 12) + 14, width * 0.4);
    const format = shown(data.x);
    const totals = data.rows.map((row) => ({ name: row.name, total: row.values.reduce((sum, value) => sum + (value ?? 0), 0) }));
    const most = Math.max(...totals.map((row) => row.total), 0);
    const room = widest(totals.map((row) => format(row.total)), 12) + 14;
    const pixels = most === 0 ? 0 : (width - left - room) / most;
    const parts = [];
    data.rows.forEach((row, line) => {
      let from = 0;
      row.values.forEach((value, i) => {
        if (!value) return;
        const text = format(value);
        parts.push({ line, name: row.name, series: data.series[i], i, from, to: from + value, text: value * pixels > widest([text], 11) + 8 ? text : "" });
        from += value;
      });
    });
    const fills = data.series.map((_, i) => `url(#${id}-${i})`);
    const inside = data.series.map((_, i) => (luminance(theme.colours[tone(data, i)]) > 0.55 ? "#1b1f27" : "#ffffff"));
    const thick = narrow ? 0.45 : 0.72;
    return {
      ...head(data, width, theme),
      height: step * Math.max(1, data.rows.length),
      data: [{ name: "parts", values: parts }, { name: "totals", values: totals }],
      scales: [
        { name: "x", type: "linear", domain: [0, most || 1], range: [0, { signal: `width - ${Math.ceil(room)}` }] },
        { name: "y", type: "band", domain: data.rows.map((row) => row.name), range: "height" },
        { name: "fill", type: "ordinal", domain: data.series, range: fills },
        { name: "inside", type: "ordinal", domain: data.series, range: inside },
      ],
      axes: [
        { orient: "bottom", scale: "x", grid: true, domain: false, ticks: false, title: data.x.title,
          ...(data.x.bytes ? { values: byteTicks(most, Math.max(3, width / 130)) } : { tickCount: Math.max(3, Math.floor(width / 140)) }),
          encode: { labels: { update: { text: { signal: data.x.bytes ? "mmBytes(datum.value)" : "mmCount(datum.value)" } } } } },
        ...(narrow ? [] : [{ orient: "left", scale: "y", domain: false, ticks: false, labelLimit: width * 0.4 }]),
      ],
      legends: data.series.length > 1 ? [legend(data, left, width, { fill: "fill", symbolType: "square" })] : [],
      marks: [
        { type: "rect", from: { data: "parts" }, encode: {
          enter: {
            x: { scale: "x", field: "from" }, x2: { scale: "x", field: "to" },
            y: { scale: "y", field: "name", band: narrow ? 0.45 : (1 - thick) / 2 }, height: { scale: "y", band: thick },
            fill: { scale: "fill", field: "series" }, stroke: { value: theme.paper }, strokeWidth: { value: 1 },
            tooltip: { signal: "{line: datum.line, at: datum.i}" },
          },
          update: { fillOpacity: { value: 1 } }, hover: { fillOpacity: { value: 0.78 } } } },
        { type: "text", interactive: false, from: { data: "parts" }, encode: { enter: {
          x: { signal: "(scale('x', datum.from) + scale('x', datum.to)) / 2" }, y: { scale: "y", field: "name", band: narrow ? 0.675 : 0.5 },
          text: { field: "text" }, align: { value: "center" }, baseline: { value: "middle" }, fontSize: { value: 11 }, fill: { scale: "inside", field: "series" } } } },
        { type: "text", interactive: false, from: { data: "totals" }, encode: { enter: {
          x: { scale: "x", field: "total", offset: 6 }, y: { scale: "y", field: "name", band: narrow ? 0.675 : 0.5 },
          text: { signal: data.x.bytes ? "mmBytes(datum.total)" : "mmCount(datum.total)" }, baseline: { value: "middle" },
          fontSize: { value: 12 }, fontWeight: { value: 600 }, fill: { value: theme.ink } } } },
        ...(narrow ? [{ type: "text", interactive: false, from: { data: "totals" }, encode: { enter: {
          x: { value: 0 }, y: { scale: "y", field: "name", band: 0.22 }, text: { field: "name" }, limit: { value: width - 8 },
          baseline: { value: "middle" }, fontSize: { value: 12 }, fill: { value: theme.ink } } } }] : []),
      ],
    };
  }

  function lines(data, id, width, theme) {
    const points = [];
    data.rows.forEach((row, line) => row.values.forEach((value, i) => {
      const there = value !== null && !(data.y.log && value <= 0) && !(data.x.log && row.name <= 0);
      if (there) points.push({ line, x: row.name, y: value, series: data.series[i], i });
    }));
    const some = points.map((point) => point.y);
    const dotted = data.rows.length <= 40;
    const left = widest(some.map(shown(data.y)), 12) + 40;  // of labels, and the title beside them
    const places = data.rows.map((row) => row.name).filter((x) => x > 0);
    const every = Math.max(1, Math.ceil(places.length / Math.max(2, Math.floor(width / 64))));
    const domain = (log, values) => (values.length === 0 ? [log ? 1 : 0, log ? 10 : 1] : log ? [Math.min(...values), Math.max(...values)] : null);
    const label = (axis) => (axis.bytes ? "mmBytes(datum.value)" : axis.log ? "mmSize(datum.value)" : "mmCount(datum.value)");
    const powers = [];
    if (data.y.log && some.length > 0)
      for (let at = Math.floor(Math.log10(Math.min(...some))); at <= Math.ceil(Math.log10(Math.max(...some))); ++at) powers.push(10 ** at);
    return {
      ...head(data, width, theme),
      height: Math.round(Math.min(400, Math.max(230, width * 0.42))),
      data: [{ name: "points", values: points }],
      scales: [
        { name: "x", type: data.x.log ? "log" : "linear", ...(data.x.log ? { base: 2 } : { zero: false }), domain: [Math.min(...(data.x.log ? places : data.rows.map((row) => row.name))), Math.max(...data.rows.map((row) => row.name))], range: "width", padding: 8 },
        data.y.log
          ? { name: "y", type: "log", domain: [powers[0] ?? 1, powers[powers.length - 1] ?? 10], range: "height" }
          : { name: "y", type: "linear", zero: true, nice: true, domain: [0, Math.max(0, ...some) || 1], range: "height" },
        { name: "colour", type: "ordinal", domain: data.series, range: theme.strokes },
        { name: "dash", type: "ordinal", domain: data.series, range: dashes },
        { name: "shape", type: "ordinal", domain: data.series, range: shapes },
      ],
      axes: [
        { orient: "bottom", scale: "x", title: data.x.title, tickSize: 4, ...(data.x.log ? { values: places.filter((_, i) => i % every === 0) } : { tickCount: Math.max(3, Math.floor(width / 110)) }),
          encode: { labels: { update: { text: { signal: label(data.x) } } } } },
        { orient: "left", scale: "y", title: data.y.title, grid: true, domain: false, ticks: false,
          ...(data.y.log ? { values: powers } : data.y.bytes ? { values: byteTicks(Math.max(0, ...some), 6) } : { tickCount: 6 }),
          encode: { labels: { update: { text: { signal: data.y.bytes ? "mmBytes(datum.value)" : "mmCount(datum.value)" } } } } },
      ],
      legends: data.series.length > 1 ? [legend(data, left, width, { stroke: "colour", ...(dotted ? { shape: "shape" } : { strokeDash: "dash", symbolType: "stroke" }), symbolFillColor: "transparent", symbolStrokeWidth: 2 })] : [],
      marks: [{
        type: "group", from: { facet: { name: "line", data: "points", groupby: "series" } },
        marks: [
          { type: "line", from: { data: "line" }, interactive: false, encode: { enter: {
            x: { scale: "x", field: "x" }, y: { scale: "y", field: "y" },
            stroke: { scale: "colour", field: "series" }, strokeDash: { scale: "dash", field: "series" }, strokeWidth: { value: dotted ? 2 : 1.6 }, strokeJoin: { value: "round" } } } },
          { type: "symbol", from: { data: "line" }, encode: {
            enter: {
              x: { scale: "x", field: "x" }, y: { scale: "y", field: "y" }, shape: { scale: "shape", field: "series" },
              stroke: { scale: "colour", field: "series" }, strokeWidth: { value: 1.8 }, fill: { value: theme.paper },
              size: { value: dotted ? 46 : 60 },
              tooltip: { signal: "{line: datum.line, at: datum.i}" },
            },
            update: { opacity: { value: dotted ? 1 : 0 } }, hover: { opacity: { value: 1 } } } },
        ],
      }],
    };
  }

  return {
    spec: (data, id, width, theme) => (data.kind === "bars" ? bars : lines)(data, id, width, themes[theme]),
    patterns: (data, id, theme) => (data.kind === "bars" ? patterns(data, id, themes[theme]) : []),
    colour: (data, i, theme) => (data.kind === "bars" ? themes[theme].colours[tone(data, i)] : themes[theme].strokes[i % 12]),
    paper: (theme) => themes[theme].paper,
    text: (axis, value) => (value === null ? "-" : shown(axis)(value)),
    place: (data, name) => (data.kind === "bars" ? name : data.x.log ? size(name) : count(name)),
  };
})();
