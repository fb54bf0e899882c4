"use strict";
// Everything shown comes from reports of strangers: text goes in as text, never as markup.

const PAGE_ROWS = 200;
const state = { rows: [], found: [], shown: PAGE_ROWS, sort: "time", up: false };
const byId = (id) => document.getElementById(id);

function timeOf(row) {
  if (typeof row.start_time === "number") return row.start_time;
  const parsed = Date.parse(String(row.test_start_time || "").replace(" ", "T") + "Z");
  return Number.isNaN(parsed) ? 0 : parsed / 1000;
}

function cell(text, kind) {
  const td = document.createElement("td");
  td.textContent = text === null || text === undefined ? "" : String(text);
  if (kind) td.className = kind;
  return td;
}

function tableRow(row) {
  const tr = document.createElement("tr");
  const began = row.time ? new Date(row.time * 1000).toISOString().slice(0, 19).replace("T", " ") : "";
  tr.append(cell(began), cell(row.probe_cc), cell(row.probe_asn), cell(row.test_name));
  tr.append(cell(row.size_bytes.toLocaleString("en"), "number"));
  const link = document.createElement("a");
  link.href = row.path.split("/").map(encodeURIComponent).join("/");
  link.textContent = row.report_file;
  link.download = "";
  const td = document.createElement("td");
  td.append(link);
  tr.append(td);
  return tr;
}

function matches(row) {
  const day = row.time ? new Date(row.time * 1000).toISOString().slice(0, 10) : "";
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
  state.rows = (await answer.json()).map((row) => ({ ...row, time: timeOf(row) }));
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
