"use strict";
// Says while somebody types what the server would say when they save. The server decides; this is a courtesy.
(() => {
  let rules = null; // by currency; they stand at the end of the page, which may not be there yet

  // Minor units of an amount as people write it; null for what is none.
  const read = (text, rule) => {
    const match = /^(0|[1-9][0-9]{0,14})(?:[.,]([0-9]{1,3}))?$/.exec(text.trim());
    if (!match || (match[2] || "").length > rule.exponent) return null;
    return Number(match[1] + (match[2] || "").padEnd(rule.exponent, "0"));
  };
  const write = (minor, rule) => (minor / 10 ** rule.exponent).toFixed(rule.exponent);

  const fieldOf = (row, name) => document.getElementsByName(`${row}-${name}`)[0];

  // `row` is what the names of a row's fields begin with, such as "asks-0".
  const problemsOf = (row) => {
    const field = (name) => fieldOf(row, name);
    const rule = rules[field("currency").value];
    const problems = {};
    if (!rule) return problems;
    const example = write(rule.step * Math.ceil((10 ** rule.exponent * 5) / rule.step), rule);
    const one = (name) => {
      const text = field(name).value.trim();
      if (!text) return undefined;
      const minor = read(text, rule);
      if (minor === null) problems[name] = `Write digits, such as ${example}.`;
      return minor;
    };
    const least = one("minimum_minor");
    const most = one("maximum_minor");
    const standard = one("default_minor");
    if (typeof least === "number" && least < rule.minimum) {
      problems.minimum_minor = `Stripe takes no less than ${write(rule.minimum, rule)}.`;
    }
    const text = field("suggested").value.trim();
    if (!text) return problems;
    if (/,(?=\S)/.test(text)) {
      problems.suggested = "Write a space after each comma, and a point before decimals: 5, 10, 25.50.";
      return problems;
    }
    const parts = text.split(/[,;\s]+/).filter(Boolean);
    const amounts = parts.map((part) => read(part, rule));
    const wrong = parts.filter((part, place) => amounts[place] === null);
    const floor = Math.max(rule.minimum, least || 0);
    const ceiling = Math.min(rule.maximum, most || (least || rule.minimum) * 10000);
    if (wrong.length) {
      problems.suggested = `“${wrong[0]}” cannot be read. Write digits, such as ${example}.`;
    } else if (amounts.some((amount) => amount < floor || amount > ceiling)) {
      problems.suggested = `Each amount must lie between ${write(floor, rule)} and ${write(ceiling, rule)}.`;
    } else if (amounts.some((amount) => amount % rule.step)) {
      problems.suggested = `Each amount must be a multiple of ${write(rule.step, rule)}.`;
    } else if (typeof standard === "number" && !amounts.includes(standard)) {
      problems.default_minor = "The default must be one of the amounts.";
    }
    return problems;
  };

  const show = (row) => {
    const problems = problemsOf(row);
    for (const name of ["suggested", "default_minor", "minimum_minor", "maximum_minor"]) {
      const input = fieldOf(row, name);
      let said = input.parentNode.querySelector(".ask-problem");
      if (!said) {
        said = document.createElement("div");
        said.className = "ask-problem";
        said.id = `${input.id}-problem`;
        said.setAttribute("role", "status");
        input.after(said);
        input.setAttribute("aria-describedby", said.id);
      }
      said.textContent = problems[name] || "";
      input.setAttribute("aria-invalid", problems[name] ? "true" : "false");
    }
  };

  const look = (event) => {
    const found = /^(asks-\d+)-/.exec(event.target.name || "");
    if (!found) return;
    rules ||= JSON.parse(document.getElementById("currency-rules").textContent);
    show(found[1]);
  };
  document.addEventListener("input", look);
  document.addEventListener("change", look);
})();
