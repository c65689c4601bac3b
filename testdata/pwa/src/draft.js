// The form's unsaved input, kept over a reload of this tab.
const KEY = "dispatch.draft";

export const draft = {
  save(form) {
    const input = Object.fromEntries(new FormData(form));
    if (Object.values(input).some(Boolean)) sessionStorage.setItem(KEY, JSON.stringify(input));
  },
  restore(form) {
    try {
      const input = JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
      for (const [name, value] of Object.entries(input)) form.elements[name].value = value;
    } catch {
      // Without storage there is no draft, and the form begins empty.
    }
  },
  clear: () => sessionStorage.removeItem(KEY),
};
