// What a page does beyond being read: it draws its charts, sorts and filters its tables, and leads from one thing to another.
const data = JSON.parse(document.getElementById("data").textContent);
const find = (id) => document.getElementById(id);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
const tables = new Map(); // of DataTables, by the table's id
const rows = new Map(); // every row that can be led to, by its id: a row of another page is not in the document

function followColours(event) {
  document.documentElement.classList.toggle("dark", event.matches); // what the style of DataTables looks for
}

// Tables

function compare(sign) {
  return (a, b) => (a === "" || b === "" ? (a === "") - (b === "") : sign * (a - b)); // what has no value comes last
}
Object.assign(window.DataTable.ext.type.order, { "figure-asc": compare(1), "figure-desc": compare(-1) });

function makeTable(table, nouns, columns = {}) {
  const [one, many] = nouns;
  const box = table.closest(".scroll");
  const label = box.getAttribute("aria-label") || table.caption.textContent;
  for (const row of table.tBodies[0].rows) rows.set(row.id, { row, table });
  box.replaceWith(table);
  const types = [...table.tHead.rows[0].cells].map(({ classList }) => ({ type: classList.contains("number") ? "figure" : "string" }));
  const made = new window.DataTable(table, {
    columns: types.map((column, at) => ({ ...column, ...columns[at] })),
    orderClasses: false,
    pageLength: 50,
    lengthMenu: [25, 50, 100, { label: "all", value: -1 }],
    order: [],
    autoWidth: false,
    layout: { topStart: "info", topEnd: null, bottomStart: "pageLength", bottomEnd: "paging" },
    language: {
      info: "_START_ to _END_ of _TOTAL_ _ENTRIES-TOTAL_",
      infoEmpty: `no ${many}`,
      infoFiltered: "(of _MAX_ in all)",
      zeroRecords: `No ${one} is like that.`,
      entries: { _: many, 1: one },
      lengthMenu: "_MENU_ a page",
    },
  });
  const frame = table.closest(".dt-layout-table") || table.parentElement;
  frame.tabIndex = 0;
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", label);
  tables.set(table.id, made);
  return made;
}

function makeLights() {
  const table = find("lights-table");
  if (!table) return;
  const remark = [...table.tHead.rows[0].cells].findIndex((cell) => cell.dataset.key === "remark");
  const made = makeTable(table, ["light", "lights"], { [remark]: { orderable: false } });
  const [name, verdict, text] = ["filter-filter", "filter-verdict", "filter-text"].map(find);
  made.search.fixed("chosen", (words, values, index) => {
    const { dataset } = made.row(index).node();
    return (!name.value || dataset.filter === name.value) && (!verdict.value || dataset.verdict === verdict.value);
  });
  const choose = () => made.search(text.value).draw();
  for (const control of [name, verdict, text]) control.addEventListener("input", choose);
  find("filter-reset").addEventListener("click", showAllLights);
  find("lights-filters").hidden = false;
}

function showAllLights() {
  for (const id of ["filter-filter", "filter-verdict", "filter-text"]) find(id).value = "";
  tables.get("lights-table").search("").draw();
}

function makeRaws() {
  const table = find("raws-table");
  if (table && !tables.has("raws-table")) makeTable(table, ["frame", "frames"]);
}

// From one thing to another

function turnTo({ row, table }) {
  const made = tables.get(table.id);
  if (!made) return;
  const index = made.row(row).index();
  const place = () => made.rows({ order: "applied", search: "applied" }).indexes().toArray().indexOf(index);
  if (place() < 0 && table.id === "lights-table") showAllLights();
  const length = made.page.len();
  if (length > 0) made.page(Math.floor(place() / length)).draw("page");
}

function lead(anchor) {
  if (anchor.startsWith("raw-")) makeRaws();
  if (rows.has(anchor)) turnTo(rows.get(anchor));
  const target = find(anchor);
  if (!target) return false;
  for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  if (target.dataset.node) followNode(target.dataset.node);
  for (const one of document.querySelectorAll(".marked")) one.classList.remove("marked");
  if (/^(light|raw|master|stack)-\d+$/.test(anchor)) {
    target.classList.add("marked");
    target.querySelector("details.more")?.setAttribute("open", "");
  }
  const row = target.tagName === "TR";
  target.scrollIntoView({ block: row ? "center" : "start", inline: "start", behavior: calm.matches ? "auto" : "smooth" });
  if (!target.hasAttribute("tabindex") && !target.matches("a, button, input, summary")) target.tabIndex = -1;
  target.focus({ preventScroll: true });
  return true;
}

function goTo(anchor) {
  if (!anchor || !lead(anchor)) return;
  try {
    history.pushState(null, "", `#${anchor}`);
  } catch { /* a page inside another may have no history */ }
}

function followLink(event) {
  const link = event.target.closest?.('a[href^="#"]');
  if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const anchor = link.getAttribute("href").slice(1);
  if (anchor === "content" || !anchor) return;
  event.preventDefault();
  goTo(anchor);
}

function findFrame(datum) {
  const { lights, light_raws: taken, raws, masters } = data.anchors ?? {};
  return lights?.[datum.path] || taken?.[datum.raw] || raws?.[datum.raw] || masters?.[datum.path];
}

function clickPoint(event, item) {
  for (let datum = item?.datum; datum; datum = datum.datum) {
    if (datum.id && datum.layer) return tellNode(datum);
    if (datum.page) return openPage(datum.page);
    const anchor = findFrame(datum);
    if (anchor) return goTo(anchor);
  }
}

function openPage(page) {
  const url = new URL(page.split("/").map(encodeURIComponent).join("/"), location.href);
  if (url.protocol === location.protocol) location.assign(url);
}

// What was clicked in the picture of the plan, with links to it: the picture itself shows its way

const MOST = 200; // links to frames; a click is not to fill the page

function tellNode({ name, words, of, path, raws, layer }) {
  const box = find("plan-picked");
  const { masters, light_raws: lights, raws: frames } = data.anchors;
  const links = path ? [[masters[path], `all about ${name}`]] : raws.map((raw) => [(layer === "light" ? lights : frames)[raw], raw]);
  const title = document.createElement("p");
  title.append(Object.assign(document.createElement("strong"), { textContent: name }), ` ${[words, of].filter(Boolean).join("; ")}`);
  const list = Object.assign(document.createElement("ul"), { className: "names" });
  for (const [anchor, text] of links.slice(0, MOST)) {
    const item = document.createElement("li");
    item.append(anchor ? Object.assign(document.createElement("a"), { href: `#${anchor}`, textContent: text }) : text);
    list.append(item);
  }
  if (links.length > MOST) list.append(Object.assign(document.createElement("li"), { textContent: `and ${links.length - MOST} more` }));
  box.replaceChildren(title, list);
  box.hidden = false;
}

function followNode(id) {
  views.get("plan-picture")?.signal("follow", id).runAsync();
}

// Charts: their colours are variables of the style, so that they fit light, dark and paper. What one says to those who
// cannot see it is in its label and in words; a thousand points one by one help nobody.

const views = new Map(); // of Vega, by the chart's key
const refuse = () => Promise.reject(new Error("a page loads nothing"));
const loader = { load: refuse, sanitize: refuse, http: refuse, file: refuse };

async function drawChart(place) {
  const plain = data.charts[place.dataset.chart];
  const shared = data.datasets[plain.data?.name];
  const spec = structuredClone(shared ? { ...plain, datasets: { [plain.data.name]: shared } } : plain); // Vega writes in it
  place.dataset.state = "drawing";
  try {
    const { view } = await window.vegaEmbed(place, spec, {
      mode: spec.$schema?.includes("/vega/") ? "vega" : "vega-lite",
      renderer: "svg", actions: false, ast: true, logLevel: 1, config: { aria: false }, loader, tooltip: { theme: dark.matches ? "dark" : "light" },
    });
    view.addEventListener("click", clickPoint);
    views.set(place.dataset.chart, view);
    const box = place.parentElement; // keys scroll only what can have the focus
    if (box.scrollWidth > box.clientWidth) Object.assign(box, { tabIndex: 0, role: "region", ariaLabel: "A drawing that scrolls" });
    place.dataset.state = "drawn";
  } catch (error) {
    place.dataset.state = "failed";
    console.error(place.dataset.chart, error);
  }
}

async function drawCharts() {
  const waiting = new Set(document.querySelectorAll("[data-chart]"));
  const near = new Set();
  const watch = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) near[isIntersecting ? "add" : "delete"](target);
  }, { rootMargin: "300px" });
  for (const place of waiting) watch.observe(place);
  while (waiting.size) {
    await new Promise((go) => setTimeout(go)); // between two charts the page answers
    const place = [...near].find((one) => waiting.has(one)) ?? waiting.values().next().value;
    waiting.delete(place);
    await drawChart(place);
  }
  watch.disconnect();
}

// Raw and calibrated

function makeSlider(input) {
  const picture = input.closest(".pair").querySelector(".compare");
  const move = () => {
    picture.style.setProperty("--at", `${input.value}%`);
    input.setAttribute("aria-valuetext", `${input.value} % ${input.dataset.label}`);
  };
  const drag = (event) => {
    const { left, width } = picture.getBoundingClientRect();
    input.value = Math.round((100 * (event.clientX - left)) / width);
    move();
  };
  picture.addEventListener("pointerdown", (event) => {
    picture.setPointerCapture(event.pointerId);
    drag(event);
  });
  picture.addEventListener("pointermove", (event) => event.buttons && drag(event));
  input.addEventListener("input", move);
  move();
}

// Print: every row, every fold

const before = { lengths: new Map(), folds: [] };

function unfold() {
  for (const [id, made] of tables) {
    before.lengths.set(id, made.page.len());
    made.page.len(-1).draw();
  }
  before.folds = [...document.querySelectorAll("main details:not([open]):not(.more)")];
  for (const fold of before.folds) fold.open = true;
  document.documentElement.classList.remove("dark");
}

function fold() {
  for (const [id, length] of before.lengths) tables.get(id).page.len(length).draw();
  for (const one of before.folds) one.open = false;
  before.folds = [];
  followColours(dark);
}

function watchContents() {
  const links = new Map([...document.querySelectorAll(".contents a")].map((link) => [link.hash.slice(1), link]));
  const seen = new Set();
  const watch = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) seen[isIntersecting ? "add" : "delete"](target.id);
    const first = [...links.keys()].find((id) => seen.has(id));
    for (const [id, link] of links) id === first ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
  }, { rootMargin: "-20% 0px -60% 0px" });
  for (const id of links.keys()) if (find(id)) watch.observe(find(id));
}

followColours(dark);
dark.addEventListener("change", followColours);
document.addEventListener("click", followLink);
window.addEventListener("popstate", () => lead(location.hash.slice(1)));
window.addEventListener("beforeprint", unfold);
window.addEventListener("afterprint", fold);
try {
  makeLights();
} finally {
  document.documentElement.classList.remove("waits");
}
find("raws-all")?.addEventListener("toggle", makeRaws);
for (const table of document.querySelectorAll("table[data-sorts]")) makeTable(table, table.dataset.sorts.split(","));
for (const input of document.querySelectorAll(".slider input")) makeSlider(input);
watchContents();
if (location.hash.length > 1) lead(location.hash.slice(1));
drawCharts().then(() => { document.documentElement.dataset.ready = "true"; }); // for whoever waits to look
