"use strict";
// The table's view, each cell's evidence, and what a chart's mark is. The view is in the address, so
// that it can be linked. Text from results only ever becomes text nodes.
(() => {
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const data = JSON.parse(one("#data").textContent);
  const columns = data.columns;
  const body = one("#cells tbody");
  const rows = [...body.rows].map((element, index) => ({ element, index, cell: data.cells[index] }));
  const hiddenAtFirst = new Set(columns.filter(({ hidden }) => hidden).map(({ key }) => key));

  /** An element with attributes and children; strings become text. */
  function make(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key in element && typeof value !== "string") element[key] = value;
      else element.setAttribute(key, value);
    }
    element.append(...children);
    return element;
  }

  // -- the view and the address ------------------------------------------------------------------

  const empty = () => ({ filters: new Map(), sort: "", hidden: new Set(hiddenAtFirst), cell: "" });
  let view = empty();

  /** The view that an address stands for, null for the address of a place in the page. */
  function parsed(hash) {
    const text = hash.replace(/^#/, "");
    if (text && !text.includes("=")) return null;
    const found = empty();
    for (const [key, value] of new URLSearchParams(text)) {
      if (key === "sort") found.sort = value;
      else if (key === "cell") found.cell = value;
      else if (key === "hide") found.hidden.add(value);
      else if (key === "show") found.hidden.delete(value);
      else if (columns.some((column) => column.key === key && column.choices.length)) {
        found.filters.set(key, (found.filters.get(key) ?? new Set()).add(value));
      }
    }
    return found;
  }

  function address(shown) {
    const words = new URLSearchParams();
    for (const [key, values] of shown.filters) for (const value of values) words.append(key, value);
    if (shown.sort) words.append("sort", shown.sort);
    for (const { key } of columns) {
      if (shown.hidden.has(key) && !hiddenAtFirst.has(key)) words.append("hide", key);
      if (!shown.hidden.has(key) && hiddenAtFirst.has(key)) words.append("show", key);
    }
    if (shown.cell) words.append("cell", shown.cell);
    return `#${words}`;
  }

  /** Show a changed view, and put it into the address: in place of the last one, or as a step that
      the Back button takes back. `state` is what the history keeps with the address. */
  function change(changes, { step = false, state = null } = {}) {
    noticeClosed();
    view = { ...view, ...changes };
    history[step ? "pushState" : "replaceState"](state, "", address(view));
    show();
  }

  /** Show what the address says. */
  function follow() {
    noticeClosed();
    const found = parsed(location.hash);
    if (found === null) return;
    view = found;
    show();
  }

  function show() {
    showRows();
    showColumns();
    showControls();
    showCell();
  }

  // -- the table ---------------------------------------------------------------------------------

  const columnOf = (key) => columns.findIndex((column) => column.key === key);
  /** What a column says of a row, without the sign before an outcome. */
  const textOf = (row, column) => row.element.cells[column + 1].lastChild.textContent.trim();

  function matches(row) {
    return [...view.filters].every(([key, wanted]) => wanted.has(textOf(row, columnOf(key))));
  }

  /** What a row sorts by: a number, a choice's place, or text; null for what is unknown. */
  function sortValue(row, column) {
    const text = textOf(row, column);
    if (text === "–") return null;
    const { numeric, choices } = columns[column];
    if (numeric) return parseFloat(text);
    return choices.length ? choices.indexOf(text) : text;
  }

  /** Lowest first or last; what is unknown always comes last. */
  function ordered() {
    const down = view.sort.startsWith("-");
    const column = columnOf(view.sort.replace(/^-/, ""));
    if (column < 0) return rows;
    const sign = down ? -1 : 1;
    const values = new Map(rows.map((row) => [row, sortValue(row, column)]));
    return rows.toSorted((a, b) => {
      const [x, y] = [values.get(a), values.get(b)];
      if (x === null || y === null) return (x === null) - (y === null) || a.index - b.index;
      return sign * (x < y ? -1 : x > y ? 1 : 0) || a.index - b.index;
    });
  }

  let order = rows;

  function showRows() {
    const wanted = ordered();
    if (wanted.some((row, n) => row !== order[n])) body.append(...wanted.map((row) => row.element));
    order = wanted;
    let shown = 0;
    for (const row of rows) {
      row.shown = matches(row);
      row.element.hidden = !row.shown;
      shown += row.shown;
    }
    const said = [...view.filters].map(([key, values]) => (
      `${columns[columnOf(key)].text} ${[...values].join(" or ")}`
    ));
    one("#status").textContent = [`${shown} of ${rows.length} cells shown`, ...said].join("; ");
    const headings = all("#cells thead th").slice(1);
    columns.forEach((column, n) => {
      const sorted = { [column.key]: "ascending", [`-${column.key}`]: "descending" }[view.sort];
      if (sorted) headings[n].setAttribute("aria-sort", sorted);
      else headings[n].removeAttribute("aria-sort");
    });
  }

  function showColumns() {
    const rules = columns.map((column, n) => (
      view.hidden.has(column.key) ? `#cells tr > :nth-child(${n + 2}) { display: none }` : ""
    ));
    one("#columns").textContent = rules.join("\n");
  }

  function showControls() {
    for (const box of all("#filters input")) {
      box.checked = view.filters.get(box.name)?.has(box.value) ?? false;
    }
    for (const list of all("#filters select")) {
      list.value = [...(view.filters.get(list.name) ?? [""])][0];
    }
    for (const box of all("#shown-columns input")) box.checked = !view.hidden.has(box.name);
  }

  function filtered(key, value, wanted) {
    const filters = new Map(view.filters);
    const values = new Set(filters.get(key));
    if (wanted) values.add(value);
    else values.delete(value);
    if (values.size) filters.set(key, values);
    else filters.delete(key);
    return filters;
  }

  /** Check boxes, or a list where they would be too many. */
  function filterOf(column) {
    const words = make("legend", {}, column.text);
    if (column.choices.length > 24) {
      const options = column.choices.map((choice) => make("option", { value: choice }, choice));
      const list = make(
        "select", { name: column.key, "aria-label": column.text },
        make("option", { value: "" }, "any"), ...options,
      );
      list.addEventListener("change", () => {
        const filters = new Map(view.filters);
        if (list.value) filters.set(column.key, new Set([list.value]));
        else filters.delete(column.key);
        change({ filters });
      });
      return make("fieldset", {}, words, list);
    }
    return make("fieldset", {}, words, ...column.choices.map((choice) => {
      const box = make("input", { type: "checkbox", name: column.key, value: choice });
      box.addEventListener("change", () => (
        change({ filters: filtered(column.key, choice, box.checked) })
      ));
      return make("label", {}, box, ` ${choice}`);
    }));
  }

  function columnBox(column) {
    const box = make("input", { type: "checkbox", name: column.key });
    box.addEventListener("change", () => {
      const hidden = new Set(view.hidden);
      if (box.checked) hidden.delete(column.key);
      else hidden.add(column.key);
      change({ hidden });
    });
    return make("label", {}, box, ` ${column.text}`);
  }

  function sortable(heading, column) {
    const button = make("button", { type: "button" }, heading.textContent);
    button.addEventListener("click", () => {
      const next = { [column.key]: `-${column.key}`, [`-${column.key}`]: "" };
      change({ sort: next[view.sort] ?? column.key });
    });
    heading.replaceChildren(button);
  }

  function markdown() {
    const shown = columns.map((column, n) => ({ ...column, n }))
      .filter(({ key }) => !view.hidden.has(key));
    const escaped = (text) => text.trim().replace(/[\\`*_[\]<>|&~]/g, "\\$&");
    const line = (texts) => `| ${texts.join(" | ")} |`;
    return [
      line(shown.map(({ text }) => escaped(text))),
      line(shown.map(({ numeric }) => (numeric ? "--:" : ":--"))),
      ...order.filter((row) => row.shown).map((row) => (
        line(shown.map(({ n }) => escaped(row.element.cells[n + 1].textContent)))
      )),
    ].join("\n") + "\n";
  }

  async function copy(text, button) {
    const words = button.textContent;
    let said = "Copied";
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = make("textarea", {}, text);
      button.after(area);
      area.select();
      said = document.execCommand("copy") ? "Copied" : "Not allowed to copy";
      area.remove();
      button.focus();
    }
    button.textContent = said;
    setTimeout(() => { button.textContent = words; }, 2000);
  }

  // -- one cell ----------------------------------------------------------------------------------

  const dialog = one("#cell");
  const text = (number) => data.texts[number];
  const idOf = ({ key, prefix }) => key.slice(prefix.length);

  function pairs(list) {
    return make("dl", {}, ...list.map(([name, value]) => (
      make("div", {}, make("dt", {}, name), make("dd", {}, value))
    )));
  }

  function fileOf(path, name, content) {
    const href = `${path}/${name}`.split("/").map(encodeURIComponent).join("/");
    const link = make("a", { href }, content === null ? name : "file");
    if (content === null) return make("p", {}, link);
    return make(
      "details", { open: name === "stacks.txt" }, make("summary", {}, name),
      make("p", {}, link), make("pre", { tabindex: "0", "aria-label": name }, content),
    );
  }

  function launchOf(launch, cell) {
    const path = `${cell.prefix}cells/${idOf(cell)}/launch-${String(launch.number).padStart(2, "0")}`;
    return make(
      "section", {}, make("h3", {}, `Launch ${launch.number}: ${launch.outcome}`),
      ...(launch.why ? [make("p", {}, launch.why)] : []),
      ...(launch.cause ? [make("p", {}, `Why: ${launch.cause}`)] : []),
      fileOf(path, "result.json", null),
      ...Object.entries(launch.files ?? {}).map(([name, content]) => fileOf(path, name, content)),
    );
  }

  /** A line per launch, a column per figure that any of them has. */
  function figuresOf(launches) {
    const known = data.figures.map((_, n) => n)
      .filter((n) => launches.some(({ figures }) => figures[n]));
    const heading = (words, scope) => make("th", { scope, class: "number" }, words);
    const region = { class: "scroll", tabindex: "0", role: "region", "aria-label": "Launches" };
    return make("div", region, make(
      "table", {}, make("caption", {}, "Launches"),
      make("thead", {}, make("tr", {}, heading("launch", "col"), ...known.map((n) => heading(data.figures[n], "col")))),
      make("tbody", {}, ...launches.map(({ number, figures }) => make(
        "tr", {}, heading(String(number), "row"),
        ...known.map((n) => make("td", { class: "number" }, figures[n] ?? "–")),
      ))),
    ));
  }

  /** A line per figure that is compared: its ratio to the baseline, and the verdict. */
  function contrastsOf({ baseline, contrasts, prefix }) {
    const base = make("a", { href: `#cell=${encodeURIComponent(baseline)}` }, baseline.slice(prefix.length));
    const headings = [["figure", ""], ["ratio [low–high]", "number"], ["level", "number"], ["verdict", ""]];
    const region = { class: "scroll", tabindex: "0", role: "region", "aria-label": "Against the baseline" };
    return make("div", region, make(
      "table", {}, make("caption", {}, "Against ", base),
      make("thead", {}, make("tr", {}, ...headings.map(([words, name]) => make("th", { scope: "col", class: name }, words)))),
      make("tbody", {}, ...contrasts.flatMap((contrast, n) => {
        if (!contrast) return [];
        const [ratio, level, verdict, style] = contrast.map(text);
        return [make(
          "tr", {}, make("th", { scope: "row" }, data.compared[n]),
          make("td", { class: "number" }, ratio), make("td", { class: "number" }, level),
          make("td", { class: style }, verdict),
        )];
      })),
    ));
  }

  function evidence(row) {
    const { cell, element } = row;
    const commands = cell.commands.map(text).join("\n");
    const button = make("button", { type: "button", class: "copy" }, "Copy commands");
    button.addEventListener("click", () => copy(commands, button));
    const place = columnOf("outcome");
    const reason = textOf(row, columnOf("reason"));
    const why = textOf(row, columnOf("why"));
    return [
      make("p", { class: `verdict ${element.cells[place + 1].className}` }, textOf(row, place)),
      ...(reason === "–" ? [] : [make("p", {}, reason)]),
      ...(why === "–" ? [] : [make("p", {}, `Why: ${why}`)]),
      ...(cell.contrasts.some(Boolean) ? [contrastsOf(cell)] : []),
      ...(cell.launches.length ? [figuresOf(cell.launches)] : []),
      pairs(cell.facts.map(text)),
      make("h3", {}, "Reproduce"), button, make("pre", { tabindex: "0", "aria-label": "commands" }, commands),
      ...cell.launches.map((launch) => launchOf(launch, cell)),
      ...(cell.rejected.length ? [make("h3", {}, "Rejected attempts")] : []),
      ...cell.rejected.map(([path, words]) => (
        make("div", {}, make("p", {}, `Launch ${words}`), fileOf(path, "result.json", null))
      )),
    ];
  }

  // The key of the cell in the dialog, empty when it is closed. Escape closes the dialog without
  // asking this script, and the dialog's `close` event may come after the reader's next click.
  let opened = "";

  /** Take note that the reader has closed the dialog; the address may have moved on since. */
  function noticeClosed() {
    if (!opened || dialog.open) return;
    const closed = opened;
    opened = "";
    view = { ...view, cell: "" };
    if (parsed(location.hash)?.cell === closed) closeCell();
  }

  /** One step back closes the cell. A step that was left by closing its cell serves the next one. */
  function openCell(cell) {
    change({ cell }, { step: !history.state?.opened, state: { opened: true } });
  }

  function closeCell() {
    change({ cell: "" }, { state: history.state });
  }

  function showCell() {
    const row = rows.find(({ cell }) => cell.key === view.cell);
    if (!row) {
      opened = "";
      dialog.close();
      return;
    }
    if (dialog.open && opened === view.cell) return;
    opened = view.cell;
    one("#cell-title").textContent = idOf(row.cell);
    one("#cell-body").replaceChildren(...evidence(row));
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    one("#cell-title").focus();
  }

  // -- charts ------------------------------------------------------------------------------------

  const tip = one("#tip");

  /** A mark's description beside it, while it is pointed at or has the focus. */
  function describe({ target }) {
    const mark = target.closest(".chart svg [aria-label]");
    tip.hidden = !mark;
    if (!mark) return;
    tip.textContent = mark.getAttribute("aria-label");
    const [at, own] = [mark.getBoundingClientRect(), tip.getBoundingClientRect()];
    const left = Math.min(at.right + 6, document.documentElement.clientWidth - own.width - 6);
    const above = at.top - own.height - 6;
    tip.style.left = `${Math.max(6, left)}px`;
    tip.style.top = `${above > 0 ? above : at.bottom + 6}px`;
  }

  /** A chart is one stop for the Tab key; the arrow keys go from mark to mark. */
  function navigable(svg) {
    one("[aria-label]", svg)?.setAttribute("tabindex", "0");
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const marks = all("[aria-label]", svg);
      const next = marks[marks.indexOf(event.target) + step];
      if (!next) return;
      event.preventDefault();
      next.setAttribute("tabindex", "0");
      next.focus();
      event.target.setAttribute("tabindex", "-1");
    });
  }

  // -- all together ------------------------------------------------------------------------------

  one("#filters .fields").append(...columns.filter(({ choices }) => choices.length).map(filterOf));
  one("#shown-columns .fields").append(...columns.map(columnBox));
  all("#cells thead th").slice(1).forEach((heading, n) => sortable(heading, columns[n]));
  one("#copy").addEventListener("click", ({ target }) => copy(markdown(), target));
  one("#reset").addEventListener("click", () => change(empty()));
  one("#close").addEventListener("click", closeCell);
  dialog.addEventListener("close", noticeClosed);
  dialog.addEventListener("click", (event) => { if (event.target === dialog) closeCell(); });
  addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#cell=']");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault(); // the address would be followed only after the next key or click
    openCell(parsed(link.hash).cell);
  });
  all(".chart svg").forEach(navigable);
  for (const event of ["pointerover", "focusin"]) addEventListener(event, describe);
  addEventListener("focusout", () => { tip.hidden = true; });
  addEventListener("keydown", ({ key }) => { if (key === "Escape") tip.hidden = true; });
  for (const element of all(".scripted, #controls")) element.hidden = false;
  addEventListener("hashchange", follow);
  show();
  follow();
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
})();
