// --- Back from Stripe's page: how it went ---

const LOOKS = [500, 1000, ...Array(15).fill(2000), ...Array(15).fill(5000)]; // milliseconds; Stripe’s word takes a second or two

class Thanks {
  constructor(box, campaign, id) {
    this.box = box;
    this.campaign = campaign;
    this.id = id;
    this.address = `${box.api}contributions/${encodeURIComponent(id)}/`;
    this.root = h("div", { part: "thanks", class: "thanks" });
    this.title("waiting_title", h("p", { class: "waiting", role: "status" }, box.say("waiting")));
    guarded(() => this.watch())();
  }

  title(name, ...rest) {
    this.heading = h("h2", { part: "title", tabindex: "-1", id: "title" }, this.box.say(name));
    this.root.replaceChildren(this.heading, ...rest.flat().filter(Boolean));
  }

  /** Looks until there is word, or until it is better to leave that to the reader. */
  async watch() {
    let standing = null;
    let patience = 2; // looks for the day of the next payment, which comes with an event of its own
    for (const wait of LOOKS) {
      const { status, data } = await request(this.address, { signal: this.box.signal });
      if (this.box.signal.aborted) return;
      if (status === 404) return this.show(null);
      if (status === 200) standing = data;
      const isWaiting = !standing || ["pending", "processing"].includes(standing.status);
      const isComplete = standing?.status !== "active" || standing.next_payment_at || standing.was_made_one_time;
      if (!isWaiting && (isComplete || patience-- < 1)) return this.show(standing);
      await pause(wait);
      if (this.box.signal.aborted) return;
    }
    this.show(standing);
  }

  show(standing) {
    const t = (name) => this.box.say(name);
    const line = (name) => h("p", {}, t(name));
    const again = h("button", { type: "button", class: "main", onclick: () => this.box.askAgain() }, t("choose"));
    const status = standing?.status ?? "pending";
    if (status === "paid" || status === "active" || standing?.was_made_one_time) this.thank(standing);
    else if (status === "processing") this.title("waiting_title", line("slow"), this.lookAgain());
    else if (status === "pending") this.title("waiting_title", line("no_word"), this.lookAgain(), again);
    else if (status === "failed") this.title("failed_pay_title", line("failed_pay"), again);
    else if (status === "expired") this.title("expired_title", line("expired"), again);
    else this.title("changed_title", line("changed"));
    this.heading.focus({ preventScroll: true });
  }

  lookAgain() {
    const look = () => {
      this.title("waiting_title", h("p", { class: "waiting", role: "status" }, this.box.say("waiting")));
      return this.watch();
    };
    return h("p", {}, h("button", { type: "button", class: "plain", onclick: look }, this.box.say("look")));
  }

  thank(standing) {
    const { box, campaign } = this;
    const currency = campaign.currencies.find(({ code }) => code === standing.currency) ?? { code: standing.currency, exponent: 2, step: 1 };
    const write = (minor) => writeMoney(minor, currency, box.format, minor % 10 ** currency.exponent === 0);
    const total = write(standing.amount + standing.fee_cover);
    const interval = standing.was_made_one_time ? "once" : standing.interval;
    const rhythm = { month: "each_month", year: "each_year" }[interval];
    const facts = [[box.say("gift"), rhythm ? box.say(rhythm, { amount: total }) : total]];
    if (standing.fee_cover) facts[0].push(h("small", {}, box.say("fee_part", { fee: write(standing.fee_cover) })));
    if (standing.next_payment_at) facts.push([box.say("next_payment"), writeDay(standing.next_payment_at, box.format)]);
    if (standing.membership) {
      const { tier, until } = standing.membership;
      const end = until && box.say("until", { date: writeDay(until, box.format) });
      facts.push([box.say("member"), [tier, end].filter(Boolean).join(", ")]);
    }
    this.title(
      "thanks",
      h("div", { class: "copy", lang: campaign.locale, dir: "auto" }, campaign.thank_you.map((text) => h("p", {}, text))),
      h("dl", { part: "facts" }, facts.map(([name, ...value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
      h("p", {}, box.say(interval === "once" ? "next_once" : "next_plan")),
      standing.can_be_made_one_time && this.drawOneTime(),
      this.drawShare(),
      this.drawRest(),
    );
  }

  drawOneTime() {
    const word = h("p", { class: "hint", role: "status" });
    const button = h("button", {
      type: "button",
      class: "plain",
      part: "one-time",
      onclick: async () => {
        button.disabled = true;
        // The empty object is a body: without one it would be a GET.
        const { status } = await request(`${this.address}make-one-time/`, { body: "{}" });
        const isDone = status >= 200 && status < 300;
        button.disabled = false;
        button.hidden = isDone;
        word.textContent = this.box.say(isDone ? "one_time_done" : status === 409 ? "changed" : "one_time_failed");
      },
    }, this.box.say("make_one_time"));
    return h("div", { class: "aside" }, h("p", {}, this.box.say("one_time"), " ", button), word);
  }

  drawShare() {
    const word = h("p", { class: "hint", role: "status" });
    const url = pageAddress();
    const share = async () => {
      if (navigator.share) {
        try {
          await navigator.share({ title: document.title, url });
        } catch {
          // They changed their mind.
        }
        return;
      }
      try {
        await navigator.clipboard.writeText(url);
        word.textContent = this.box.say("copied");
      } catch {
        word.textContent = url;
      }
    };
    return h("div", {}, h("button", { type: "button", class: "second", part: "share", onclick: share }, this.box.say("share")), word);
  }

  /** Only for readers who tick it, and gone when they take the tick away. */
  drawRest() {
    const days = this.campaign.quiet_days_after_gift ?? 90;
    if (!days) return null;
    const box = h("input", { type: "checkbox", id: "rest", onchange: () => rests.set(box.checked ? days : 0) });
    box.checked = rests.on();
    return h("div", { class: "tick" }, box, h("label", { for: "rest" }, this.box.say("rest", { days })));
  }
}
