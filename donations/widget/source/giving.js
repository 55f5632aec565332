// --- The form ---

const KEY_LIFE = 50 * 60 * 1000; // milliseconds; Stripe's page of a key closes after an hour

class Giving {
  constructor(box, offer, choice) {
    this.box = box;
    this.offer = offer;
    this.choice = choice;
    this.keys = new Map(); // wish -> its Idempotency-Key: pressed again it is the same gift, changed it is another
    this.wished = new Map(); // "USD month" -> what was chosen there, so that walking to and fro loses nothing
    this.isBusy = false;
    this.draw();
  }

  get currency() {
    return this.offer.currency(this.choice.currency);
  }

  get ask() {
    return this.offer.ask(this.choice.currency, this.choice.interval);
  }

  money(minor, short = false) {
    return writeMoney(minor, this.currency, this.box.format, short);
  }

  /** What is chosen or typed, in minor units; null if it is no amount. */
  amount() {
    if (this.choice.amount !== null) return this.choice.amount;
    return readMoney(this.other.value, this.currency, this.box.format);
  }

  // --- Drawing ---

  draw() {
    const { box, offer } = this;
    const t = (name, gaps) => box.say(name, gaps);
    this.notice = h("p", { class: "notice", role: "status", hidden: true });
    this.tabs = INTERVALS.filter((each) => offer.intervals().includes(each)).map((interval) => {
      const id = newId("interval");
      const radio = h("input", { type: "radio", name: "interval", id, value: interval, onchange: () => this.toInterval(interval) });
      return { interval, radio, label: h("label", { for: id, part: "tab" }, t(interval)) };
    });
    this.from = h("p", { class: "from" });
    this.much = h("span", { id: "much" });
    this.tiles = h("div", { class: "tiles" });
    this.picker = this.drawPicker();
    this.otherLabel = h("label", { for: "other" });
    this.other = h("input", {
      id: "other", part: "input", inputmode: "decimal", autocomplete: "off", maxlength: "20", "aria-describedby": "fault",
      oninput: () => this.typed(),
    });
    this.otherField = h("div", { class: "field", hidden: true }, this.otherLabel, this.other);
    this.fault = h("p", { class: "fault", id: "fault", "aria-live": "polite" });
    this.cover = h("input", { type: "checkbox", id: "cover", onchange: () => this.refresh() });
    this.coverLabel = h("label", { for: "cover" });
    this.coverRow = h("div", { class: "tick" }, this.cover, this.coverLabel);
    this.news = h("input", { type: "checkbox", id: "news" });
    this.button = h("button", { type: "submit", class: "main", part: "continue" }, offer.campaign.button || t("continue"));
    this.sum = h("p", { class: "sum", "aria-live": "polite" });
    this.methods = h("ul", { class: "methods", part: "methods", "aria-label": t("methods") });
    this.form = h(
      "form",
      { part: "form", novalidate: true, onsubmit: (event) => this.submit(event) },
      this.notice,
      h("fieldset", { class: "tabs" }, h("legend", {}, t("often")), h("div", { class: "row" }, this.tabs.map((tab) => [tab.radio, tab.label]))),
      this.from,
      h("fieldset", { class: "amounts", "aria-labelledby": "much" }, h("div", { class: "head" }, this.much, this.picker), this.tiles, this.otherField, this.fault),
      this.coverRow,
      this.drawNews(),
      this.button,
      this.sum,
      h("p", { class: "safe" }, draw("lock"), " ", t("safe")),
      this.methods,
    );
    this.show();
    if (this.choice.wish !== null) {
      const gaps = { wish: this.money(this.choice.wish, true), amount: this.money(this.ask.minimum, true) };
      this.tell(t("raised_least", gaps));
    }
  }

  drawPicker() {
    if (this.offer.currencies.length < 2) return null;
    const options = this.offer.currencies.map(({ code }) => h("option", { value: code, selected: code === this.choice.currency }, code));
    const pick = h("select", { part: "currency", "aria-label": this.box.say("currency"), onchange: () => this.toCurrency(pick.value) }, options);
    return pick;
  }

  drawNews() {
    const { newsletter, privacy_url: privacy } = this.offer.campaign;
    const link = privacy && h("a", { href: privacy, target: "_blank", rel: "noopener" }, this.box.say("privacy"));
    if (newsletter === null) return privacy ? h("p", { class: "hint" }, link) : null;
    const text = newsletter?.text || this.box.say("newsletter");
    return h("div", { class: "tick" }, this.news, h("span", {}, h("label", { for: "news" }, text), link && " ", link));
  }

  /** Everything that depends on currency and interval. */
  show() {
    const { choice, box, ask } = this;
    for (const { interval, radio } of this.tabs) {
      radio.disabled = !this.offer.ask(choice.currency, interval);
      radio.checked = interval === choice.interval;
    }
    const monthly = this.offer.ask(choice.currency, "month");
    this.from.textContent = monthly ? box.say("from", { amount: this.money(monthly.minimum, true) }) : "";
    this.much.textContent = box.say(`much_${choice.interval}`);
    const tile = (value, text) => {
      const id = newId("amount");
      const onchange = () => this.pick(value);
      return [h("input", { type: "radio", name: "amount", id, value: value ?? "other", checked: choice.amount === value, onchange }), h("label", { for: id, part: "amount" }, text)];
    };
    this.tiles.replaceChildren(
      ...[...ask.amounts.map((amount) => tile(amount, this.money(amount, true))), tile(null, box.say("other"))].flat(),
    );
    this.otherLabel.textContent = box.say("other_label", { currency: choice.currency, amount: this.money(ask.minimum, true) });
    this.other.placeholder = typedMoney(ask.default, this.currency, box.format);
    this.other.value = choice.other === null ? "" : typeof choice.other === "string" ? choice.other : typedMoney(choice.other, this.currency, box.format);
    this.methods.replaceChildren(...this.offer.methods(choice).map(chip));
    this.methods.hidden = !this.methods.children.length;
    this.setFault("");
    this.refresh();
  }

  /** Everything that depends on the amount. */
  refresh() {
    const { choice, box } = this;
    const amount = this.amount();
    const isGood = amount !== null && !this.offer.fault(amount, choice);
    const fee = isGood ? this.offer.cover(amount, choice.currency) : null;
    this.otherField.hidden = choice.amount !== null;
    this.coverRow.hidden = !this.offer.campaign.fee_cover?.[choice.currency];
    this.coverLabel.textContent = box.say("cover", {
      fee: this.money(fee ?? this.offer.cover(this.ask.default, choice.currency) ?? 0),
      amount: this.money(isGood ? amount : this.ask.default, true),
    });
    const total = isGood ? amount + (this.cover.checked && fee !== null ? fee : 0) : null;
    this.sum.textContent = isGood ? box.say(`sum_${choice.interval}`, { amount: this.money(total, total % 10 ** this.currency.exponent === 0) }) : "\u00a0";
  }

  // --- What readers do ---

  keep() {
    const { currency, interval, amount } = this.choice;
    this.wished.set(`${currency} ${interval}`, { amount, other: amount === null ? this.other.value : null });
  }

  goTo(currency, interval) {
    this.keep();
    const ask = this.offer.ask(currency, interval);
    this.choice = { currency, interval, amount: ask.default, other: null, wish: null, ...this.wished.get(`${currency} ${interval}`) };
    this.show();
  }

  toInterval(interval) {
    this.goTo(this.choice.currency, interval);
    this.box.emit("interval", { interval });
  }

  toCurrency(code) {
    this.goTo(code, this.offer.nearest(code, this.choice.interval));
    this.tellAmount();
  }

  pick(amount) {
    this.choice.amount = amount;
    this.setFault("");
    this.refresh();
    // Whoever presses "Other" wants to write; whoever walks past it with the arrow keys does not.
    if (amount !== null) this.tellAmount();
    else if (!this.box.isByKeys) this.other.focus();
  }

  typed() {
    clearTimeout(this.later);
    if (!this.choiceFault()) this.setFault("");
    this.refresh();
    this.later = setTimeout(guarded(() => this.other.value && this.judge() && this.tellAmount()), 500);
  }

  tellAmount() {
    const { currency, interval, amount } = this.choice;
    this.box.emit("amount", { amount: this.amount(), currency, interval, is_other: amount === null });
  }

  choiceFault() {
    const amount = this.amount();
    return amount === null ? ["digits", this.ask.default] : this.offer.fault(amount, this.choice);
  }

  /** Says what is wrong with the amount, if anything is. Returns whether it is good. */
  judge() {
    const fault = this.choiceFault();
    const shown = fault && (fault[0] === "digits" ? { example: typedMoney(fault[1], this.currency, this.box.format) } : { amount: this.money(fault[1], true) });
    this.setFault(fault ? this.box.say(fault[0], shown) : "");
    return !fault;
  }

  setFault(text) {
    this.fault.textContent = text;
    if (text) this.other.setAttribute("aria-invalid", "true");
    else this.other.removeAttribute("aria-invalid");
  }

  /** A line above the form; a fault interrupts a screen reader. `link` leads to the page that always works. */
  tell(text, { isBad = false, link = false } = {}) {
    this.notice.hidden = !text;
    this.notice.setAttribute("role", isBad ? "alert" : "status");
    this.notice.classList.toggle("bad", isBad);
    this.notice.replaceChildren(text, ...(link ? [" ", this.box.pageLink()] : []));
    if (text && isBad) this.notice.scrollIntoView?.({ block: "nearest" });
  }

  // --- Giving ---

  /** What is chosen, for a reminder as well: without an amount that cannot be given. */
  wish() {
    const { currency, interval } = this.choice;
    const amount = this.amount();
    const isGood = amount !== null && !this.offer.fault(amount, this.choice);
    return { campaign: this.offer.campaign.slug, interval, ...(isGood ? { amount, currency } : {}) };
  }

  async submit(event) {
    event.preventDefault();
    if (this.isBusy) return;
    if (!this.judge()) {
      this.other.focus();
      return;
    }
    this.setBusy(true);
    this.tell("");
    const { variant } = this.offer.campaign;
    const body = {
      ...this.wish(),
      cover_fees: this.cover.checked && !this.coverRow.hidden,
      newsletter_consent: this.news.checked,
      locale: this.box.language,
      return_url: pageAddress(),
      source: this.box.source(variant ? { variant: `${variant.test}:${variant.name}` } : {}),
    };
    const { amount, currency, interval, cover_fees } = body;
    this.box.emit("continue", { amount, currency, interval, cover_fees });
    let isLeaving = false;
    try {
      isLeaving = await this.begin(body);
    } finally {
      if (!isLeaving) this.setBusy(false);
    }
  }

  /** Whether the browser is on its way to another page. */
  async begin(body, tries = 0) {
    const text = JSON.stringify(body);
    let key = this.keys.get(text);
    if (!key || Date.now() - key.made > KEY_LIFE) this.keys.set(text, (key = { name: newKey(), made: Date.now() }));
    const headers = { "Idempotency-Key": key.name };
    const answer = await request(`${this.box.api}contributions/`, { patience: PATIENCE.give, headers, body: text });
    const { status, data } = answer;
    if (status === 201 && data.status === "pending" && data.checkout_url) return this.leave(data.checkout_url);
    if (status === 201 && ["pending", "expired"].includes(data.status) && tries < 2) {
      this.keys.delete(text); // the page that was opened earlier has closed: this is a new attempt
      return this.begin(body, tries + 1);
    }
    if (status === 201) {
      this.box.thank(data.id);
      return false;
    }
    if (data?.error?.code === "idempotency_key_in_use" && tries < 2) {
      await pause(1000);
      return this.begin(body, tries + 1);
    }
    if (status === 400 && data?.error?.fields?.return_url && body.return_url) {
      // This page is not on the newsroom's list: the gift counts more than the way back.
      const { return_url, ...rest } = body;
      return this.begin(rest, tries);
    }
    // The key stays: whatever became of this attempt, pressing again finishes it rather than doubling it.
    const { text: name, gaps, link, is_outage } = explain(answer);
    this.tell(this.box.say(name, gaps), { isBad: true, link });
    if (is_outage) this.box.offerOutageReminder();
    return false;
  }

  leave(address) {
    const { protocol, href } = new URL(address);
    if (protocol !== "https:" && protocol !== "http:") throw new Error("no page to go to");
    location.assign(href);
    return true;
  }

  setBusy(now) {
    this.isBusy = now;
    this.button.setAttribute("aria-disabled", String(now));
    this.button.textContent = now ? this.box.say("opening") : this.offer.campaign.button || this.box.say("continue");
  }
}
