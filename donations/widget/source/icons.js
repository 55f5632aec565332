// --- Ways to pay: small drawings of our own, and names ---

const METHODS = {
  amex: "American Express", jcb: "JCB", unionpay: "UnionPay", paypal: "PayPal", sepa_debit: "SEPA", bacs_debit: "Bacs",
  us_bank_account: "ACH", blik: "BLIK", eps: "EPS", ideal: "iDEAL",
};
const BANKS = /_debit|bank|^(eps|ideal|bancontact|blik)$/;

/** "apple_pay" is written Apple Pay; what is written in a way of its own stands above. */
const nameOf = (method) => METHODS[method] ?? method.replace(/(^|_)(\w)/g, (all, gap, first) => (gap && " ") + first.toUpperCase());

const DRAWN = {
  card: ["0 0 24 16", "M2.5 0h19A2.5 2.5 0 0 1 24 2.5V4H0V2.5A2.5 2.5 0 0 1 2.5 0zM0 6.5h24v7a2.5 2.5 0 0 1-2.5 2.5h-19A2.5 2.5 0 0 1 0 13.5zM3 11v2h6v-2z"],
  bank: ["0 0 24 16", "M12 0 2 4.5V6h20V4.5zM4 7.5h2.5V12H4zm6.75 0h2.5V12h-2.5zm6.75 0H20V12h-2.5zM2 13.5h20V16H2z"],
  lock: ["0 0 16 16", "M4 7V5a4 4 0 1 1 8 0v2h.500A1.5 1.5 0 0 1 14 8.5v5a1.5 1.5 0 0 1-1.5 1.5h-9A1.5 1.5 0 0 1 2 13.5v-5A1.5 1.5 0 0 1 3.5 7zm1.8 0h4.4V5a2.2 2.2 0 1 0-4.4 0z"],
};
const draw = (name) => svg(...DRAWN[name]);

const chip = (method) => h("li", { part: "method" }, draw(BANKS.test(method) ? "bank" : "card"), nameOf(method));
