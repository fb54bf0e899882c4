"use strict";
// Everything shown comes from reports of strangers: text goes in as text, never as markup.

const PAGE_ROWS = 200;
const state = { rows: [], found: [], shown: PAGE_ROWS, sort: "time", up: false };
const byId = (id) => document.getElementById(id);

// From 1970 to the year 9999, in seconds: what a header says may lie anywhere (microseconds, 1e20), and Date throws then.
const isTime = (seconds) => Number.isFinite(seconds) && seconds > 0 && seconds < 253402300800;

function timeOf(row) {
  const parsed = Date.parse(String(row.test_start_time || "").replace(" ", "T") + "Z") / 1000;
  return [row.start_time, parsed].find(isTime) || 0;
}

function isoOf(row) {
  return row.time ? new Date(row.time * 1000).toISOString().slice(0, 19) : "";
}

// One row that is not as it should be must not cost the others.
function readable(row) {
  return row !== null && typeof row === "object" && typeof row.path === "string" && typeof row.report_file === "string";
}

function cell(text, kind) {
  const td = document.createElement("td");
  td.textContent = text === null || text === undefined ? "" : String(text);
  if (kind) td.className = kind;
  return td;
}

function tableRow(row) {
  const tr = document.createElement("tr");
  tr.append(cell(isoOf(row).replace("T", " ")), cell(row.probe_cc), cell(row.probe_asn), cell(row.test_name));
  tr.append(cell(Number(row.size_bytes || 0).toLocaleString("en"), "number"));
  const link = document.createElement("a");
  link.href = row.path.split("/").map((part) => encodeURIComponent(part.toWellFormed ? part.toWellFormed() : part)).join("/");
  link.textContent = row.report_file;
  link.download = "";
  const td = document.createElement("td");
  td.append(link);
  tr.append(td);
  return tr;
}

function matches(row) {
  const day = isoOf(row).slice(0, 10);
  const words = byId("search").value.trim().toLowerCase();
  return (!byId("country").value || row.probe_cc === byId("country").value)
    && (!byId("test").value || row.test_name === byId("test").value)
    && (!byId("from").value || day >= byId("from").value)
    && (!byId("to").value || (day && day <= byId("to").value))
    && (!words || `${row.probe_asn} ${row.report_file}`.toLowerCase().includes(words));
}

function compare(a, b) {
  const [x, y] = [a[state.sort] ?? "", b[state.sort] ?? ""];
  const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
  return state.up ? order : -order;
}

function show() {
  byId("rows").replaceChildren(...state.found.slice(0, state.shown).map(tableRow));
  byId("found").textContent = `${state.found.length.toLocaleString("en")} of ${state.rows.length.toLocaleString("en")} reports`;
  byId("more").hidden = state.found.length <= state.shown;
  for (const button of document.querySelectorAll("[data-sort]")) {
    button.setAttribute("aria-pressed", String(button.dataset.sort === state.sort));
  }
}

function filter() {
  state.shown = PAGE_ROWS;
  state.found = state.rows.filter(matches).sort(compare);
  show();
}

function offer(id, values) {
  for (const value of [...new Set(values)].filter(Boolean).sort()) {
    const option = document.createElement("option");
    option.value = option.textContent = value;
    byId(id).append(option);
  }
}

async function start() {
  const answer = await fetch("index.json");
  if (!answer.ok) throw new Error(`index.json: ${answer.status}`);
  state.rows = (await answer.json()).filter(readable).map((row) => ({ ...row, time: timeOf(row) }));
  offer("country", state.rows.map((row) => row.probe_cc));
  offer("test", state.rows.map((row) => row.test_name));
  byId("filters").addEventListener("input", filter);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("more").addEventListener("click", () => { state.shown += PAGE_ROWS; show(); });
  for (const button of document.querySelectorAll("[data-sort]")) {
    button.addEventListener("click", () => {
      state.up = state.sort === button.dataset.sort ? !state.up : true;
      state.sort = button.dataset.sort;
      filter();
    });
  }
  filter();
}

start().catch((error) => { byId("found").textContent = `The index could not be read: ${error.message}`; });
