/*
 * Makes the form of the support page quicker; it works without this file as well.
 *
 * The wish goes to the API, as a widget's would. Money is read and counted, and mistakes are put into words,
 * on the server only: for an amount that a reader types, the page asks; and where the API finds a fault, the
 * form is sent the plain way, and the page comes back with words next to each field.
 */
"use strict";

// Where a reader's morning is, for a reminder; sent only with one that is asked for.
for (const field of document.querySelectorAll("[data-time-zone]")) {
  field.value = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
}

// Within such a part, Enter presses its own button rather than the first one of the form.
for (const part of document.querySelectorAll("[data-enter]")) {
  part.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || !event.target.matches("input")) return;
    event.preventDefault();
    part.querySelector(part.dataset.enter).click();
  });
}

(() => {
  const form = document.querySelector("form[data-api]");
  if (!form || !window.fetch || !window.AbortController) return;

  const button = form.querySelector("#continue");
  const alertLine = form.querySelector("[data-alert]");
  const currencyField = form.elements.namedItem("currency");
  const PATIENCE = 30000; // milliseconds
  const keys = new Map(); // wish -> Idempotency-Key: pressed again it is the same gift, changed it is another
  let isBusy = false;

  // --- What is chosen ---

  const interval = () => form.elements.namedItem("interval").value;
  const panel = () =>
    form.querySelector(`.panel[data-currency="${currencyField.value}"][data-interval="${interval()}"]`);
  const other = (where) => where.querySelector(".other input");

  function showCurrency(code) {
    currencyField.value = code;
    const offered = new Set();
    for (const each of form.querySelectorAll(".panel")) {
      const isShown = each.dataset.currency === code;
      each.hidden = each.disabled = !isShown;
      if (isShown) offered.add(each.dataset.interval);
    }
    for (const radio of form.querySelectorAll("input[name=interval]")) {
      radio.disabled = !offered.has(radio.value);
      if (radio.disabled && radio.checked) {
        form.querySelector(`#interval-${[...offered][0]}`).checked = true;
      }
    }
    for (const link of form.querySelectorAll("[data-currency]:is(a)")) {
      if (link.dataset.currency === code) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }

  // --- Talking to the server ---

  async function request(address, options) {
    const timer = new AbortController();
    const bell = setTimeout(() => timer.abort(), PATIENCE);
    try {
      const response = await fetch(address, { ...options, signal: timer.signal });
      return { status: response.status, data: await response.json() };
    } catch {
      return { status: 0, data: null }; // no answer, or none that can be read
    } finally {
      clearTimeout(bell);
    }
  }

  /** The typed amount in minor units; null if it is none, with the reason beside the field. */
  async function quote(where) {
    const field = other(where);
    const query = new URLSearchParams({
      currency: where.dataset.currency,
      interval: where.dataset.interval,
      amount: field.value,
      lang: form.dataset.language,
    });
    const asked = field.value;
    const { status, data } = await request(`${form.dataset.quote}?${query}`, {});
    if (field.value !== asked) return null; // the reader goes on typing; a newer question is under way
    where.querySelector(".quoted").textContent = status === 200 ? data.sums : "";
    where.querySelector(".fault").textContent = status === 400 ? data.error.message : "";
    field.toggleAttribute("aria-invalid", false);
    if (status === 400) field.setAttribute("aria-invalid", "true");
    if (status !== 200 && status !== 400) say(form.dataset.unavailable);
    return status === 200 ? data.amount : null;
  }

  async function wish() {
    const where = panel();
    const chosen = where.querySelector(".tiles > input:checked");
    let amount = chosen && chosen.value !== "other" ? Number(chosen.value) : null;
    if (amount === null) {
      amount = await quote(where);
      if (amount === null) {
        other(where).focus();
        return null;
      }
    }
    const source = { page_url: location.origin + location.pathname, component: "support_page" };
    for (const tag of form.querySelectorAll("[data-tag]")) source[tag.name] = tag.value;
    return {
      campaign: form.dataset.campaign,
      interval: interval(),
      amount,
      currency: currencyField.value,
      email: form.elements.namedItem("email").value.trim(),
      name: form.elements.namedItem("name").value.trim(),
      cover_fees: form.elements.namedItem("cover_fees").checked,
      newsletter_consent: form.elements.namedItem("newsletter_consent").checked,
      reminder_consent: form.elements.namedItem("reminder_consent")?.checked ?? false,
      locale: form.dataset.language,
      source,
    };
  }

  function newKey() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  async function begin(body, isSecondTry = false) {
    const text = JSON.stringify(body);
    if (!keys.has(text)) keys.set(text, newKey());
    const { status, data } = await request(form.dataset.api, {
      method: "POST",
      headers: { "Content-Type": "application/json", "Idempotency-Key": keys.get(text) },
      body: text,
    });
    if (status === 201 && data.status === "pending" && data.checkout_url && new Date(data.expires_at) > new Date()) {
      location.assign(data.checkout_url);
    } else if (status === 201 && ["pending", "expired"].includes(data.status) && !isSecondTry) {
      keys.delete(text); // the page that was opened earlier has closed: this is a new attempt
      await begin(body, true);
    } else if (status === 201) {
      location.assign(`${form.dataset.thanks}${data.id}/?lang=${form.dataset.language}`);
    } else if (status === 400) {
      form.submit(); // the page comes back with words next to each field
    } else {
      // The key stays: whatever became of this attempt, pressing again finishes it rather than doubling it.
      say(status === 502 ? form.dataset.refused : form.dataset.unavailable);
      return false;
    }
    return true;
  }

  // --- Telling the reader ---

  function say(text) {
    alertLine.textContent = text;
    alertLine.hidden = !text;
  }

  function setBusy(now) {
    isBusy = now;
    button.setAttribute("aria-disabled", String(now));
  }

  // --- Listening ---

  form.addEventListener("submit", async (event) => {
    if (event.submitter && event.submitter !== button) return; // another button's business: the server's
    event.preventDefault();
    if (isBusy) return;
    setBusy(true);
    say("");
    const body = await wish();
    if (!body || !(await begin(body))) setBusy(false); // else the browser is on its way to the next page
  });

  form.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-currency]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    showCurrency(link.dataset.currency);
  });

  let pause;
  form.addEventListener("input", (event) => {
    if (!event.target.matches(".other input")) return;
    const where = event.target.closest(".panel");
    clearTimeout(pause);
    pause = setTimeout(() => event.target.value.trim() && quote(where), 400);
  });

  // Whoever presses "Other" wants to write; whoever walks past it with the arrow keys does not.
  let isPointing = false;
  form.addEventListener("pointerdown", () => (isPointing = true));
  form.addEventListener("keydown", () => (isPointing = false));
  form.addEventListener("change", (event) => {
    if (isPointing && event.target.matches('.tiles > input[value="other"]')) other(event.target.closest(".panel")).focus();
  });

  // Coming back with the browser's button may show the page as it was left.
  window.addEventListener("pageshow", () => setBusy(false));
  showCurrency(currencyField.value); // a browser that restores a form after a reload restores this field too
})();
