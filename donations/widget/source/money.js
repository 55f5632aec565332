// --- Money: whole minor units, as the API has it ---

/** How Intl writes a currency: its own decimals and those that Stripe counts can differ (ISK, UGX, MGA). */
const writer = (locale, currency, decimals) =>
  new Intl.NumberFormat(locale, {
    style: "currency",
    currency: currency.code,
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  });

/** How many decimals an amount of this currency can really use. */
const decimalsOf = (currency) => (currency.step === 10 ** currency.exponent ? 0 : currency.exponent);

/** "$12.50"; whole amounts without their zeros if `short`. */
const writeMoney = (minor, currency, locale, short = false) => {
  const unit = 10 ** currency.exponent;
  const decimals = minor % currency.step ? currency.exponent : decimalsOf(currency);
  return writer(locale, currency, short && minor % unit === 0 ? 0 : decimals).format(minor / unit);
};

/** An amount as one can type it: "12.5" or, where people write so, "12,5". */
const typedMoney = (minor, currency, locale) => {
  const unit = 10 ** currency.exponent;
  const decimals = minor % unit === 0 ? 0 : decimalsOf(currency);
  const form = { minimumFractionDigits: decimals, maximumFractionDigits: decimals, useGrouping: false };
  return new Intl.NumberFormat(locale, form).format(minor / unit);
};

const ZEROS = [0x660, 0x6f0, 0x966, 0x9e6, 0xff10];

/**
 * The amount that a reader typed, in minor units; null if nobody can be sure what it means.
 *
 * Both "12.50" and "12,50" are read everywhere. A sign before exactly three digits groups thousands only where the
 * reader's own format uses it so, and never in a currency with three decimals. Only the currency's own sign may
 * stand beside the digits.
 */
const readMoney = (text, currency, locale) => {
  const parts = new Intl.NumberFormat(locale).formatToParts(1234567.8);
  const group = parts.find((part) => part.type === "group")?.value ?? "";
  let plain = text.normalize("NFC").trim();
  for (const form of ["symbol", "narrowSymbol", "code"]) {
    const options = { style: "currency", currency: currency.code, currencyDisplay: form };
    const sign = new Intl.NumberFormat(locale, options).formatToParts(1).find((part) => part.type === "currency").value;
    if (plain.startsWith(sign)) plain = plain.slice(sign.length);
    else if (plain.endsWith(sign)) plain = plain.slice(0, -sign.length);
  }
  plain = plain.replace(/\p{Nd}/gu, (digit) => {
    const code = digit.codePointAt(0);
    const zero = ZEROS.find((each) => code >= each && code < each + 10);
    return zero === undefined ? digit : String(code - zero);
  });
  plain = plain.trim().replace(/(\d)[\s\u00a0\u202f'’٬](?=\d{3}(?!\d))/g, "$1").replace("٫", ".");
  if (group === "," || group === ".") {
    if (currency.exponent > 2 && new RegExp(`^\\d+\\${group}\\d{3}$`).test(plain)) return null;
    const grouped = new RegExp(`^\\d{1,3}(?:\\${group}\\d{3})+(?=\\D|$)`);
    plain = plain.replace(grouped, (digits) => digits.replaceAll(group, ""));
  }
  const found = /^(\d{1,13})(?:[.,](\d+))?$/.exec(plain);
  if (!found) return null;
  const fraction = (found[2] ?? "").replace(/0+$/, "");
  if (fraction.length > currency.exponent || (found[2] ?? "").length > Math.max(currency.exponent, 2)) return null;
  const minor = Number(found[1] + fraction.padEnd(currency.exponent, "0"));
  return Number.isSafeInteger(minor) ? minor : null;
};

/**
 * What to add to a gift so that all of it is left after the fee; the rule of the server (donations/fees.py), in whole
 * numbers. `rate` is the campaign's, in millionths and minor units.
 */
const feeCover = (base, rate, step = 1) => {
  const whole = 1000000n;
  const wanted = BigInt(base) + BigInt(rate.fixed_minor);
  const gross = (whole * wanted - whole / 2n) / (whole - BigInt(rate.rate_ppm)) + 1n;
  const grid = BigInt(step);
  return Number(((gross + grid - 1n) / grid) * grid) - base;
};
