// --- The element: <sustainer-appeal campaign="…"></sustainer-appeal> ---

const VARIANTS = ["inline", "bar", "modal", "button"];

// Who comes back from Stripe is told how it went by one box of the page: the first one.
let comeBack = null;
const readReturn = () => {
  if (comeBack) return;
  const query = new URLSearchParams(location.search);
  const kept = history.state?.sustainer;
  const contribution = query.get("contribution") ?? "";
  const isId = /^[0-9a-f-]{36}$/.test(contribution);
  const word = query.get("sustainer");
  comeBack = { word: word === "thanks" && isId ? word : word === "back" ? word : "", contribution };
  if (!comeBack.word && kept?.contribution) comeBack = { word: "thanks", contribution: kept.contribution };
  if (!query.has("sustainer")) return;
  // The address stays what it was before the gift, so that whoever passes it on passes on nothing else. A reload still
  // knows, from the browser's own history.
  query.delete("sustainer");
  query.delete("contribution");
  const rest = query.toString();
  const state = comeBack.word === "thanks" ? { ...history.state, sustainer: { contribution } } : history.state;
  history.replaceState(state, "", location.pathname + (rest ? `?${rest}` : "") + location.hash);
};

let sheet;
const boxes = new Set();

class SustainerAppeal extends HTMLElement {
  static observedAttributes = ["campaign", "variant", "locale", "currency", "quiet", "sensitive", "reader-token", "api"];

  // For papers that count along, and for the tests.
  static readMoney = readMoney;
  static writeMoney = writeMoney;
  static feeCover = feeCover;

  /** Words of another language, or other words: texts("pt", {continue: "Continuar"}). Boxes are drawn anew. */
  static texts(locale, words) {
    TEXTS[locale] = { ...TEXTS[locale], ...words };
    for (const box of boxes) box.restart();
  }

  connectedCallback() {
    boxes.add(this);
    guarded(() => {
      if (!this.shadowRoot) {
        this.attachShadow({ mode: "open" }).adoptedStyleSheets = [sheet];
        this.shadowRoot.addEventListener("keydown", () => (this.isByKeys = true), true);
        this.shadowRoot.addEventListener("pointerdown", () => (this.isByKeys = false), true);
      }
      readReturn();
      this.restart();
    })();
  }

  disconnectedCallback() {
    boxes.delete(this);
    this.over?.abort();
  }

  attributeChangedCallback(name, before, after) {
    if (this.over && before !== after) this.restart();
  }

  /** Draws itself anew, once, however much changed at the same moment. */
  restart() {
    this.over?.abort();
    this.over = new AbortController();
    const { signal } = this.over;
    this.signal = signal;
    queueMicrotask(guarded(() => signal.aborted || this.start()));
  }

  // --- What the parts ask for ---

  get kind() {
    const wanted = this.getAttribute("variant");
    return VARIANTS.includes(wanted) ? wanted : "inline";
  }

  get slug() {
    return this.getAttribute("campaign") ?? "";
  }

  get base() {
    return this.getAttribute("api")?.replace(/\/?$/, "/") || BASE;
  }

  get api() {
    return `${this.base}api/v1/`;
  }

  say(name, gaps) {
    return say(this.language, name, gaps);
  }

  /** Tells the page, without anything personal. */
  emit(name, detail) {
    const about = { campaign: this.slug, component: `widget-${this.kind}`, test: this.campaign?.variant ?? null };
    this.dispatchEvent(new CustomEvent(`sustainer:${name}`, { bubbles: true, composed: true, detail: { ...about, ...detail } }));
  }

  source(more) {
    return { page_url: pageAddress(), component: `widget-${this.kind}`, ...tagsOf(new URLSearchParams(location.search)), ...more };
  }

  pageLink(name = "page") {
    const own = /^[\w-]{1,64}$/.test(this.slug) ? `${this.base}support/${this.slug}/` : `${this.base}support/`;
    return h("a", { href: this.campaign?.support_url || own, part: "page-link" }, this.say(name));
  }

  // --- From nothing to a form ---

  async start() {
    const { signal } = this;
    this.campaign = this.giving = this.reminder = null;
    this.language = this.pickLanguage("");
    this.format = formatLocale(this.language);
    this.root = h("div", { class: `root ${this.kind}`, part: "root" });
    this.shadowRoot.replaceChildren(this.root);
    const isThanked = comeBack.word === "thanks" && (!comeBack.box?.isConnected || comeBack.box === this);
    if (isThanked) comeBack.box = this;
    // A page of hard news asks nobody, and neither does whoever wanted a rest: nothing is even loaded.
    if (!isThanked && (this.hasAttribute("quiet") || rests.on())) return this.hide();
    this.waitDrawing();
    const answer = await this.load();
    if (signal.aborted) return;
    try {
      this.settle(answer, isThanked);
    } catch (fault) {
      console.warn("sustainer-appeal:", fault);
      this.fail();
    }
  }

  async load() {
    const query = this.hasAttribute("sensitive") ? "?sensitive=1" : "";
    const slug = encodeURIComponent(this.slug);
    return fetchCampaign(`${this.api}campaigns/${slug}/${query}`, this.getAttribute("reader-token") ?? "");
  }

  settle({ status, data }, isThanked) {
    clearTimeout(this.slow);
    if (status === 404 || !this.slug) console.warn(`sustainer-appeal: there is no campaign "${this.slug}"`);
    if (status !== 200 || !Array.isArray(data?.asks)) return this.fail();
    this.campaign = data;
    this.language = this.pickLanguage(data.locale);
    this.format = formatLocale(this.language);
    if (isThanked) return this.thank(comeBack.contribution);
    if (data.show === false || !data.is_running || !data.asks.length) return this.hide();
    this.draw();
  }

  /** The attribute, else the page's language, else the campaign's; the first one that we have words for. */
  pickLanguage(campaigns) {
    const page = this.closest("[lang]")?.lang ?? "";
    const wanted = [this.getAttribute("locale") ?? "", page, campaigns].map(goodLocale).filter(Boolean);
    return wanted.find((tag) => TEXTS[tag] ?? TEXTS[tag.split("-")[0]]) ?? wanted[0] ?? "en";
  }

  hide() {
    clearTimeout(this.slow);
    this.root.replaceChildren();
    this.root.className = "root away";
  }

  /** The space that the box will take, and after a while a link for those who wait. */
  waitDrawing() {
    if (this.kind !== "inline") return;
    const line = (name) => h("div", { class: `bone ${name}` });
    this.word = h("p", { class: "hint", role: "status" });
    this.body = h("section", { class: "box", part: "box", "aria-busy": "true" }, line("half"), line("high"), line("high"), line("half"), this.word);
    this.root.replaceChildren(this.body);
    this.slow = setTimeout(guarded(() => this.word.replaceChildren(this.say("wait"), " ", this.pageLink())), 4000);
  }

  /** No campaign, no form: a word, a plain link to the page that works without us, and another try. */
  fail() {
    if (this.kind === "bar" || this.kind === "modal") return this.hide(); // nobody needs a bar with an apology
    if (this.kind === "button") {
      const link = this.pageLink("support");
      link.className = "main";
      this.root.replaceChildren(link);
      return;
    }
    const again = h("button", { type: "button", class: "second", onclick: () => this.restart() }, this.say("again"));
    const link = this.pageLink("page_only");
    link.className = "main";
    this.root.replaceChildren(
      h("section", { class: "box failed", part: "box error" },
        h("h2", { part: "title" }, this.say("failed_title")),
        h("p", { role: "status" }, this.say(navigator.onLine === false ? "offline" : "failed")),
        link,
        again,
      ),
    );
    addEventListener("online", guarded(() => this.restart()), { once: true, signal: this.signal });
  }

  // --- Drawing ---

  draw() {
    const { campaign } = this;
    const offer = new Offer(campaign);
    const query = new URLSearchParams(location.search);
    this.giving = new Giving(this, offer, offer.chosen(query, this.getAttribute("currency")));
    this.reminder = campaign.reminder === null ? null : new Reminder(this, this.giving, campaign.reminder);
    addEventListener("pageshow", guarded(() => this.giving.setBusy(false)), { signal: this.signal });
    this.content = h("div", { class: "content" }, this.drawCopy(), this.drawGoal(), this.giving.form, this.reminder?.root);
    this.place();
    if (comeBack.word === "back" && (!comeBack.box?.isConnected || comeBack.box === this)) {
      comeBack.box = this;
      this.giving.tell(this.say("back"));
      this.comeForward();
    }
  }

  drawCopy() {
    const { title, message, locale } = this.campaign;
    return h(
      "div",
      { class: "copy", lang: locale, dir: "auto", part: "copy" },
      h("h2", { part: "title", id: "title", tabindex: this.kind !== "inline" && "-1" }, title),
      message.map((text) => h("p", { part: "message" }, text)),
    );
  }

  drawGoal() {
    const { progress } = this.campaign;
    const currency = progress && this.campaign.currencies.find(({ code }) => code === progress.currency);
    if (!currency || !(progress.goal > 0)) return null;
    const raised = Math.max(0, progress.raised);
    const write = (minor) => writeMoney(minor, currency, this.format, true);
    return h(
      "div",
      { class: "goal", part: "goal" },
      h("progress", { max: progress.goal, value: Math.min(raised, progress.goal), "aria-labelledby": "raised", part: "bar" }),
      h("p", { id: "raised" }, this.say("raised", { raised: write(raised), goal: write(progress.goal) })),
    );
  }

  /** Where the content goes: into the page, or into a window that something opens. */
  place() {
    if (this.kind === "inline") {
      this.body = h("section", { class: "box", part: "box", "aria-labelledby": "title" }, this.content);
      this.root.replaceChildren(this.body);
      this.whenSeen(this.body, () => this.emit("view", {}));
      return;
    }
    const close = this.crossButton(() => this.dialog.close());
    this.dialog = h("dialog", { part: "dialog", "aria-labelledby": "title" }, h("div", { class: "box", part: "box" }, close, this.content));
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.root.replaceChildren(...[this.drawOpener(), this.dialog].filter(Boolean));
    if (this.kind === "modal") this.whenSeen(this, () => this.open(), 0);
  }

  crossButton(onclick) {
    return h("button", { type: "button", class: "cross", part: "close", "aria-label": this.say("close"), onclick }, "✕");
  }

  drawOpener() {
    const open = () => this.open();
    if (this.kind === "button") return h("button", { type: "button", class: "main", part: "button", onclick: open }, this.say("support"));
    if (this.kind !== "bar" || !this.giving) return null;
    const { title, locale } = this.campaign;
    const ask = this.giving.ask;
    const text = ask.interval === "month" ? this.say("from", { amount: this.giving.money(ask.minimum, true) }) : "";
    const bar = h(
      "section",
      { class: "strip", part: "strip", "aria-label": title },
      h("p", {}, h("strong", { lang: locale, dir: "auto" }, title), " ", text),
      h("button", { type: "button", class: "main", part: "button", onclick: open }, this.say("support")),
      this.crossButton(() => this.hide()),
    );
    this.whenSeen(bar, () => this.emit("view", {}));
    return bar;
  }

  /** Opens the window of a bar, modal or button; the page may call it as well. */
  open() {
    if (!this.dialog || this.dialog.open || !this.dialog.isConnected) return;
    this.dialog.showModal();
    this.dialog.querySelector("h2")?.focus();
    if (this.kind !== "bar") this.emit("view", {});
  }

  close() {
    this.dialog?.close();
  }

  whenSeen(what, then, share = 0.3) {
    const watch = new IntersectionObserver(
      guarded((seen) => {
        if (!seen.some((each) => each.isIntersecting)) return;
        watch.disconnect();
        then();
      }),
      { threshold: share },
    );
    watch.observe(what);
    this.signal.addEventListener("abort", () => watch.disconnect());
  }

  comeForward() {
    if (this.kind === "inline") this.scrollIntoView({ block: "start" });
    else this.open();
  }

  // --- Afterwards ---

  /** How it went, instead of the form. */
  thank(contribution) {
    const thanks = new Thanks(this, this.campaign, contribution);
    this.content = h("div", { class: "content" }, thanks.root);
    if (this.kind === "inline" || !this.dialog?.isConnected) this.place();
    else this.dialog.querySelector(".content").replaceWith(this.content);
    this.comeForward();
  }

  askAgain() {
    comeBack.word = "";
    if (history.state?.sustainer) {
      const { sustainer, ...rest } = history.state;
      history.replaceState(rest, "");
    }
    const wasOpen = this.dialog?.open;
    if (!this.campaign.is_running || !this.campaign.asks.length) return this.hide();
    this.draw();
    if (wasOpen) this.open();
    this.shadowRoot.querySelector("input:checked")?.focus();
  }

  offerOutageReminder() {
    this.reminder?.offerOutage();
  }
}

// Where something is missing, readers keep the link inside the tag.
if ("adoptedStyleSheets" in document && !customElements.get("sustainer-appeal")) {
  sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  customElements.define("sustainer-appeal", SustainerAppeal);
}
