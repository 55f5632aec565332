// --- "Not ready to support today? Remind me later" ---

const OUTAGE = "when_payments_work";
const CONSENT_VERSION = "widget-1"; // of the text `consent`, in every language

class Reminder {
  constructor(box, giving, offered) {
    this.box = box;
    this.giving = giving;
    this.offered = offered ?? { calendar: true };
    this.values = (this.offered.choices ?? ["next_month", "in_3_months", "every_3_months"].map((value) => ({ value })))
      .filter(({ value }) => value !== OUTAGE && value !== "on_day" && value !== "day");
    this.isBusy = false;
    this.draw();
  }

  draw() {
    const t = (name, gaps) => this.box.say(name, gaps);
    this.choices = h("div", { class: "tiles when" });
    this.day = h("input", { type: "date", id: "day", part: "input", "aria-describedby": "fault-when" });
    this.dayField = h("div", { class: "field", hidden: true }, h("label", { for: "day" }, t("day_label")), this.day);
    this.email = h("input", { type: "email", id: "email", part: "input", autocomplete: "email", maxlength: "254", "aria-describedby": "consent fault-email" });
    this.promise = h("p", { class: "hint", lang: this.giving.offer.campaign.locale });
    this.faultWhen = h("p", { class: "fault", id: "fault-when", "aria-live": "polite" });
    this.faultEmail = h("p", { class: "fault", id: "fault-email", "aria-live": "polite" });
    this.word = h("p", { class: "notice", role: "status", hidden: true, tabindex: "-1" });
    this.button = h("button", { type: "submit", class: "second", part: "remind" }, t("remind_by_mail"));
    this.file = h("a", { href: "#", part: "calendar", onclick: (event) => this.toCalendar(event) }, t("calendar"));
    this.calendarRow = this.offered.calendar === false ? null : h("p", { class: "hint" }, t("calendar_why"), " ", this.file);
    this.form = h(
      "form",
      { novalidate: true, onsubmit: (event) => this.submit(event) },
      h("fieldset", {}, h("legend", {}, t("when")), this.choices, this.dayField, this.promise, this.faultWhen),
      h("div", { class: "field" }, h("label", { for: "email" }, t("email")), this.email, this.faultEmail),
      h("p", { class: "hint", id: "consent" }, t("consent")),
      this.button,
      this.calendarRow,
    );
    this.root = h(
      "details",
      { class: "remind", part: "reminder" },
      h("summary", {}, t("later"), " ", h("span", {}, t("remind"))),
      this.word,
      this.form,
    );
    this.list(this.values);
  }

  list(choices, chosen = choices[0]?.value) {
    const day = { value: "", label: this.box.say("day") };
    this.remind = chosen ?? "";
    this.choices.replaceChildren(
      ...[...choices, day].flatMap(({ value, label }) => {
        const id = newId("when");
        const onchange = () => this.pick(value);
        return [
          h("input", { type: "radio", name: "when", id, value, checked: value === this.remind, onchange }),
          h("label", { for: id, part: "when" }, this.box.say(value) || label || value),
        ];
      }),
    );
    this.pick(this.remind);
  }

  pick(value) {
    this.remind = value;
    this.dayField.hidden = value !== "";
    this.promise.textContent = this.values.find((choice) => choice.value === value)?.promise ?? "";
    this.faultWhen.textContent = "";
    if (this.calendarRow) this.calendarRow.hidden = value === OUTAGE;
  }

  /** While payments do not work, the first offer is to write as soon as they do. */
  offerOutage() {
    this.list([{ value: OUTAGE }, ...this.values], OUTAGE);
    this.root.open = true;
  }

  wish() {
    return {
      remind: this.remind || this.day.value,
      ...this.giving.wish(),
      locale: this.box.language,
      time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone ?? "",
    };
  }

  /** Whether a day is chosen at all; says so if not. */
  hasDay() {
    const isThere = Boolean(this.remind || this.day.value);
    this.faultWhen.textContent = isThere ? "" : this.box.say("day_bad");
    if (!isThere) this.day.focus();
    return isThere;
  }

  toCalendar(event) {
    if (!this.hasDay()) {
      event.preventDefault();
      return;
    }
    this.file.href = `${this.box.api}reminders/calendar.ics?${new URLSearchParams(this.wish())}`;
    this.box.emit("reminder", { remind: this.wish().remind, way: "calendar" });
  }

  async submit(event) {
    event.preventDefault();
    this.faultEmail.textContent = "";
    if (this.isBusy || !this.hasDay()) return;
    if (!this.email.value.trim() || !this.email.checkValidity()) {
      this.faultEmail.textContent = this.box.say("email_bad");
      this.email.focus();
      return;
    }
    this.isBusy = true;
    this.button.setAttribute("aria-disabled", "true");
    const wish = this.wish();
    const body = { ...wish, email: this.email.value.trim(), consent_version: CONSENT_VERSION, source: this.box.source({}) };
    const answer = await request(`${this.box.api}reminders/`, { body: JSON.stringify(body) });
    this.isBusy = false;
    this.button.setAttribute("aria-disabled", "false");
    this.settle(answer, wish);
  }

  settle(answer, wish) {
    const { status, data } = answer;
    const fields = data?.error?.fields ?? {};
    if (status === 202) {
      this.box.emit("reminder", { remind: wish.remind, way: "mail" });
      const typo = data.did_you_mean ? ` ${this.box.say("typo", { domain: data.did_you_mean })}` : "";
      this.form.hidden = !typo;
      this.tell(`${data.promise || this.box.say("promised")}${typo}`, false);
    } else if (fields.email) {
      this.faultEmail.textContent = this.box.say("email_bad");
      this.email.focus();
    } else if (fields.remind) {
      this.faultWhen.textContent = this.box.say("day_bad");
      this.day.focus();
    } else {
      const { text, gaps } = explain(answer);
      this.tell(this.box.say(text === "wrong" ? "no_answer" : text, gaps), true);
    }
  }

  tell(text, isBad) {
    this.word.hidden = false;
    this.word.classList.toggle("bad", isBad);
    this.word.textContent = text;
    this.word.focus();
  }
}
