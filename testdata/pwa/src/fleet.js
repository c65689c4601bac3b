// The fleet page: a lazy chunk, loaded when it is first opened.
const trucks = [["HF-104", "Volvo FH", "Gimhae", "82 %"], ["HF-117", "Scania R", "Changwon", "64 %"], ["HF-121", "Hyundai Xcient", "Ulsan", "91 %"]];

export function show(section, words) {
  const table = document.createElement("table");
  for (const truck of trucks) {
    const row = table.insertRow();
    for (const text of truck) row.insertCell().textContent = text;
  }
  const title = document.createElement("h2");
  title.textContent = words.fleet ?? "Fleet";
  section.replaceChildren(title, table);
  section.dataset.loaded = "{{release}}";
}
