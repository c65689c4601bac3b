// The application: its texts, its form, and the update helper, which loads after everything else.
import { draft } from "./draft.js";
import { departures, texts } from "./texts.js";

const parameters = new URLSearchParams(location.search);
const language = parameters.get("lang") ?? "en";
document.documentElement.lang = language;
const words = texts[language] ?? {};
for (const element of document.querySelectorAll("[data-text]")) {
  element.textContent = words[element.dataset.text] ?? element.textContent;
}
document.querySelector("#departures").replaceChildren(
  ...departures.map(([route, driver, leaves, isLate]) => {
    const row = document.createElement("tr");
    for (const text of [route, driver, leaves]) row.insertCell().textContent = text;
    const mark = document.createElement("mark");
    mark.className = isLate ? "late" : "";
    mark.textContent = isLate ? (words.late ?? "Late") : (words.loading ?? "Loading");
    row.insertCell().append(mark);
    return row;
  }),
);

const form = document.querySelector("#delivery");
draft.restore(form);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  draft.clear();
  form.reset();
  document.querySelector("#saved").textContent = words.saved ?? "Saved";
});

for (const button of document.querySelectorAll("[data-view]")) {
  button.addEventListener("click", async () => {
    for (const view of ["orders", "fleet"]) document.getElementById(view).hidden = view !== button.dataset.view;
    for (const other of document.querySelectorAll("[data-view]")) other.removeAttribute("aria-current");
    button.setAttribute("aria-current", "page");
    if (button.dataset.view === "fleet") (await import("./fleet.js")).show(document.getElementById("fleet"), words);
  });
}

async function watchForUpdates() {
  // Written by whoever serves the release: the hub's address and the keys that it accepts. No part of the build.
  const server = await fetch("server.json", { cache: "no-store" })
    .then((response) => (response.ok ? response.json() : {}))
    .catch(() => ({}));
  const { default: init, start } = await import("slipway-update");
  await init();
  window.updates = start({
    serviceWorker: "sw.js",
    versionUrl: "version.json",
    ...server,
    onBeforeReload: parameters.get("draft") === "off" ? undefined : () => draft.save(form),
    onState: (state) => (document.documentElement.dataset.update = state.phase),
  });
}

const idle = window.requestIdleCallback ?? setTimeout;
if (document.readyState === "complete") idle(watchForUpdates);
else addEventListener("load", () => idle(watchForUpdates));
