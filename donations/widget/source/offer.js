// --- What a campaign asks for, and what is chosen at first ---

const INTERVALS = ["once", "month", "year"];
const TAGS = ["utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "reminder"];

/** The address of this page for the newsroom's numbers and the way back: without what may name a reader. */
const pageAddress = () => {
  const said = document.querySelector('link[rel="canonical"]')?.href;
  if (said && new URL(said).origin === location.origin) return said.split("#")[0];
  return location.origin + location.pathname;
};

class Offer {
  constructor(campaign) {
    this.campaign = campaign;
    this.currencies = [...campaign.currencies].sort(
      (one, other) => (other.code === campaign.default_currency) - (one.code === campaign.default_currency),
    );
  }

  currency(code) {
    return this.currencies.find((currency) => currency.code === code);
  }

  ask(code, interval) {
    return this.campaign.asks.find((ask) => ask.currency === code && ask.interval === interval);
  }

  /** The intervals that the campaign takes at all, or in one currency. */
  intervals(code) {
    return INTERVALS.filter((interval) =>
      this.campaign.asks.some((ask) => ask.interval === interval && (!code || ask.currency === code)),
    );
  }

  /** The interval itself if this currency has it, else the campaign's, else the first that it has. */
  nearest(code, interval) {
    const known = this.intervals(code);
    return [interval, this.campaign.default_interval].find((each) => known.includes(each)) ?? known[0];
  }

  /** Why an amount cannot be given: the name of a text and its amount; null if it can. */
  fault(amount, { currency, interval }) {
    const ask = this.ask(currency, interval);
    const { step } = this.currency(currency);
    if (amount < ask.minimum) return ["small", ask.minimum];
    if (amount > ask.maximum) return ["large", ask.maximum];
    return amount % step ? ["step", step] : null;
  }

  /** What covering the fee adds; null where the newsroom does not say what the fee is. */
  cover(amount, code) {
    const rate = this.campaign.fee_cover?.[code];
    return rate ? feeCover(amount, rate, this.currency(code).step) : null;
  }

  /** The ways to pay that Stripe's page will really offer for this choice. */
  methods({ currency, interval }) {
    const { methods, payment_methods: all } = this.campaign;
    return (methods ? methods[currency]?.[interval] : all) ?? [];
  }

  /**
   * What a link chose: `?amount&interval&currency`, in minor units as the API has them; `campaign` says whom it is for.
   * Whatever the campaign does not offer is passed over.
   */
  chosen(query, preferred) {
    const isForUs = !query.has("campaign") || query.get("campaign") === this.campaign.slug;
    const given = (name) => (isForUs ? query.get(name) ?? "" : "");
    const codes = [given("currency"), preferred, this.campaign.default_currency];
    const currency = codes.find((code) => this.currency(code)) ?? this.currencies[0].code;
    const interval = this.nearest(currency, given("interval"));
    const ask = this.ask(currency, interval);
    const choice = { currency, interval, amount: ask.default, other: null, wish: null };
    if (/^\d{1,14}$/.test(given("amount"))) {
      let wish = Number(given("amount"));
      if (given("reminder") && wish > 0 && wish < ask.minimum) {
        choice.wish = wish; // they chose it when it was enough
        wish = ask.minimum;
      }
      if (!this.fault(wish, choice)) {
        if (ask.amounts.includes(wish)) choice.amount = wish;
        else Object.assign(choice, { amount: null, other: wish });
      }
    }
    return choice;
  }
}

/** The marks of the newspaper's own links, which it finds again beside the gift. */
const tagsOf = (query) =>
  Object.fromEntries(TAGS.map((name) => [name, query.get(name) ?? ""]).filter(([, value]) => /^[\w .~+-]{1,100}$/.test(value)));
