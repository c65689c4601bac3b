// Names by number: the state machine only compares hashes, ids and epochs, so it gets a number for each. Zero is none.

const names = [""];

/** The number of an id or epoch. */
export function number(text) {
  const known = names.indexOf(text);
  return known < 0 ? names.push(text) - 1 : known;
}

/** The number of a manifest hash in either of its forms; zero for a text that is none. */
export function hashNumber(text) {
  const [, digits] = /^(?:sha256:)?([0-9a-f]{64})$/.exec(text) ?? [];
  return digits ? number(`sha256:${digits}`) : 0;
}

/** The name with this number. */
export const name = (number) => names[number];
