// --- Small things that all the rest uses ---

/** A text in the reader's language, with its {gaps} filled. */
const say = (locale, name, gaps = {}) => {
  const words = TEXTS[locale] ?? TEXTS[locale.split("-")[0]] ?? {};
  const text = words[name] ?? TEXTS.en[name] ?? "";
  return text.replace(/\{(\w+)\}/g, (gap, key) => gaps[key] ?? gap);
};

/**
 * An element with attributes, listeners (onclick and so on) and children. Text is always set as text, so that nothing
 * that comes from a server or an address can become markup.
 */
const h = (tag, given = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), guarded(value));
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.flat(3).filter((child) => child != null && child !== false && child !== ""));
  return made;
};

const svg = (box, ...paths) => {
  const space = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(space, "svg");
  for (const [name, value] of [["viewBox", box], ["aria-hidden", "true"], ["focusable", "false"]]) drawing.setAttribute(name, value);
  for (const path of paths) {
    const line = document.createElementNS(space, "path");
    line.setAttribute("d", path);
    drawing.append(line);
  }
  return drawing;
};

/** What a listener does, without ever throwing into the page; a fault is told to the paper's engineer. */
const guarded = (work) => async (...given) => {
  try {
    return await work(...given);
  } catch (fault) {
    console.warn("sustainer-appeal:", fault);
  }
};

let counted = 0;
/** A new id within our shadow roots. */
const newId = (name) => `${name}-${++counted}`;

const newKey = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** A language tag that Intl takes, or "". */
const goodLocale = (tag) => {
  try {
    return Intl.getCanonicalLocales(tag)[0] ?? "";
  } catch {
    return "";
  }
};

/** How this reader writes numbers and days: as the browser says, if it speaks the language of the texts at all. */
const formatLocale = (language) =>
  (language.includes("-") ? "" : navigator.languages?.find((tag) => tag.split("-")[0] === language && goodLocale(tag))) ||
  language;

/** A moment as the reader's day; a plain day ("2027-01-15") is that day everywhere. */
const writeDay = (when, locale) => {
  const timeZone = when.length === 10 ? "UTC" : undefined;
  return new Intl.DateTimeFormat(locale, { dateStyle: "long", timeZone }).format(new Date(when));
};

// The one thing that is ever kept in the browser, and only for readers who tick a box for it: until which day
// they do not want to be asked on this device.
const RESTS = "sustainer:rests-until";
const rests = {
  on: () => {
    try {
      return Date.parse(localStorage.getItem(RESTS) ?? "") > Date.now();
    } catch {
      return false;
    }
  },
  set: (days) => {
    try {
      if (!days) localStorage.removeItem(RESTS);
      else localStorage.setItem(RESTS, new Date(Date.now() + days * 864e5).toISOString().slice(0, 10));
    } catch {
      // A browser that keeps nothing asks again.
    }
  },
};
