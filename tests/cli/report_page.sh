#!/usr/bin/env bash
# A report in a real browser: it loads without network or a word on the console, draws every figure, sorts, saves, can be
# read in the dark, fits on paper, and nothing that a stranger named becomes markup.
#
#   report_page.sh MMUSIM SOURCE_DIR CHROMIUM
set -eu
mmusim=$(readlink -f "$1")
source=$(readlink -f "$2")
chromium=$3
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
fail() { printf '%s\n' "$*"; exit 1; }

"$mmusim" trace import --quiet "$source/tests/cli/data/tiny.log" -o t.mmt >/dev/null 2>&1
cp t.mmt '<img src=x onerror=boom>.mmt'
"$mmusim" compare '<img src=x onerror=boom>.mmt' -m tiny,zen2 \
  -k '</script><script>boom()//: gpt' -q --json compare.json >/dev/null
"$mmusim" sweep t.mmt -m tiny -p mlpt,gpt -v tlb.l2.entries=8,16,64 -v cost.walk=1,10 --tlb.l2.ways=4 --run.interval=2 -q -o sweep >/dev/null
"$mmusim" curve t.mmt -q --json curve.json >/dev/null
"$mmusim" page-table footprint dense:1M -p mlpt,gpt --json footprint.json >/dev/null
"$mmusim" profile t.mmt -q --json profile.json >/dev/null
"$mmusim" report compare.json sweep curve.json footprint.json profile.json -o page.html >/dev/null

# What a person would look at and do, in words.
cat >look.js <<'JS'
<script>
(function look() {
  if (document.documentElement.dataset.drawn === undefined) return setTimeout(look, 20);
  const said = [];
  const say = (text) => said.push(text);
  const figures = [...document.querySelectorAll("figure")];
  say(`figures ${figures.length}`);
  const hidden = figures.filter((figure) => {
    const box = figure.querySelector("svg.marks")?.getBoundingClientRect();
    const marks = [...figure.querySelectorAll("svg .mark-rect path, svg .mark-line path, svg .mark-symbol path")];
    return !box || box.width < 200 || box.right > innerWidth || !marks.some((mark) => mark.getBoundingClientRect().width > 1);
  });
  say(`not to be seen ${hidden.map((figure) => figure.dataset.name).join(" ") || "none"}`);
  say(`strange elements ${document.querySelectorAll("img, main script, svg script").length}`);
  say(`without a name ${[...document.querySelectorAll("button, input")].filter((one) => !(one.textContent || one.getAttribute("aria-label"))).length}`);
  const paper = () => getComputedStyle(document.querySelector("figure")).backgroundColor;
  const light = paper();
  document.querySelector(".theme").click();
  document.querySelector(".theme").click();
  const dark = paper();
  say(`dark ${light !== dark && figures[0].querySelector("svg.marks").style.backgroundColor === dark}`);
  // Of text, against what it stands on: WCAG's contrast, of which 4.5 is asked.
  const channels = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const light_of = ([r, g, b]) => [r, g, b].map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const contrast = (a, b) => { const [x, y] = [light_of(a), light_of(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const colour = channels(getComputedStyle(element).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const pale = () => {
    const found = new Set();
    for (const element of document.querySelectorAll("body *:not(script, style, option)")) {
      const drawn = element instanceof SVGTextElement;
      if (![...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) || element.closest(".role-mark")) continue;
      if (element instanceof SVGElement && !drawn) continue;
      const style = getComputedStyle(element);
      if (contrast(channels(drawn ? style.fill : style.color), ground(element.closest("svg") ?? element)) < 4.5) found.add(element.tagName + "." + element.className);
    }
    return [...found].join(" ") || "none";
  };
  say(`pale in the dark ${pale()}`);
  const table = document.querySelector("#rates");
  const column = [...table.tHead.rows[1].cells].findIndex((head) => head.dataset.key === "cycles");
  const values = () => [...table.tBodies[0].rows].map((row) => Number(row.cells[column].dataset.value ?? row.cells[column].textContent));
  const button = table.tHead.rows[1].cells[column].querySelector("button");
  const sorted = (way) => values().every((value, i, all) => i === 0 || way * (value - all[i - 1]) >= 0);
  button.click();
  const up = sorted(1);
  button.click();
  say(`sorts ${up && sorted(-1) && !sorted(1)} ${button.parentNode.getAttribute("aria-sort")}`);
  const saved = [];
  URL.createObjectURL = (blob) => (saved.push(blob), "data:,");
  HTMLAnchorElement.prototype.click = () => {};
  figures[0].querySelectorAll(".tools button").forEach((one) => one.click());
  setTimeout(async () => {
    const texts = await Promise.all(saved.map((blob) => blob.text()));
    const svg = texts.find((text) => text.startsWith("<svg"));
    const read = new DOMParser().parseFromString(svg, "image/svg+xml");
    say(`svg ${read.querySelector("parsererror") === null && read.querySelectorAll("pattern").length > 1}`);
    const csv = texts.find((text) => text.startsWith("run,"));
    say(`csv ${csv.split("\r\n").length - 1 === figures[0].querySelectorAll("tbody tr").length + 1}`);
    // However wide the page is, no text of a figure ends behind it.
    const cut = new Set();
    for (let width = 480; width <= 960; width += 20) {
      document.querySelector("main").style.maxWidth = `${width}px`;
      await new Promise((done) => setTimeout(done, 100));
      for (const figure of figures) {
        const right = figure.querySelector("svg.marks").getBoundingClientRect().right;
        if ([...figure.querySelectorAll("svg text")].some((text) => text.getBoundingClientRect().right > right + 1)) cut.add(figure.dataset.name);
      }
    }
    say(`cut off ${[...cut].join(" ") || "none"}`);
    // On paper: the rules for it are those for the screen now, on sheets of A4.
    dispatchEvent(new Event("beforeprint"));
    for (const rule of document.styleSheets[0].cssRules)
      if (rule instanceof CSSMediaRule && rule.media.mediaText === "print") rule.media.mediaText = "all";
    const sheet = (width) => {
      document.querySelector("main").style.maxWidth = `${width}px`;
      return new Promise((done) => setTimeout(done, 200));
    };
    const shown = (element) => element.getClientRects().length !== 0;
    const wider = (what, room) => [...document.querySelectorAll(what)].filter((table) => shown(table) && table.scrollWidth > room + 1).map((table) => table.id || table.caption.textContent);
    await sheet(718);
    say(`figures on paper ${figures.filter((figure) => { const box = figure.querySelector("svg.marks").getBoundingClientRect(); return box.width > 400 && box.right <= 719 + box.left; }).length}`);
    say(`paper ${paper()} pale ${pale()}`);
    say(`wider than a sheet ${wider(".table:not(.wide) table", 718).join(" ") || "none"}`);
    await sheet(1047);
    say(`wider than its side ${wider(".wide table", 1047).join(" ") || "none"}`);
    say(`in the way ${[...document.querySelectorAll("nav, .tools, .bar, .theme")].filter(shown).length}`);
    document.title = "said";
    const box = document.createElement("pre");
    box.id = "said";
    box.textContent = said.join("\n");
    document.body.append(box);
  }, 200);
})();
</script>
JS
sed '/<\/body>/e cat look.js' page.html >looked.html
# No host is found, should the page ask for one.
"$chromium" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir="$tmp/profile" --window-size=1000,900 \
  --host-resolver-rules='MAP * ~NOTFOUND' --enable-logging=stderr --virtual-time-budget=60000 \
  --dump-dom "file://$tmp/looked.html" >dom.html 2>log || fail "chromium: $(tail -n 5 log)"
! grep ':CONSOLE' log || fail "the page complains"
sed -n '/<pre id="said">/,/<\/pre>/p' dom.html | sed 's/<[^>]*>//g; /^$/d' >said
diff - said <<'EOF' || fail "not what was expected (second column)"
figures 14
not to be seen none
strange elements 0
without a name 0
dark true
pale in the dark none
sorts true descending
svg true
csv true
cut off none
figures on paper 14
paper rgb(255, 255, 255) pale none
wider than a sheet none
wider than its side none
in the way 0
EOF
# Names of the picture as a person reads them.
grep -q '&lt;/script&gt;&lt;script&gt;boom()//' page.html || fail "the strange name is not there"
for text in 'Cycles of translation' 'fault entries' 'Misses of LRU TLBs' 'entries in use'; do
  grep -qF "$text" dom.html || fail "'$text' is not on the page"
done
