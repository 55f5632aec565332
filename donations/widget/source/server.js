// --- Talking to Sustainer ---

// The script knows where it came from; a page that loads it in another way says so with the attribute `api`.
const CAME_FROM = document.currentScript?.src ?? "";
const BASE = CAME_FROM ? new URL("..", CAME_FROM).href : new URL("/", location.href).href;

const PATIENCE = { draw: 10000, give: 30000 }; // milliseconds

/**
 * One request: {status, data, wait}. Status 0 means that there was no answer, or none that can be read; `wait` is what
 * Retry-After says, in seconds. Never throws. No cookie goes along.
 */
const request = async (address, { patience = PATIENCE.draw, headers = {}, body, signal } = {}) => {
  const timer = new AbortController();
  const bell = setTimeout(() => timer.abort(), patience);
  signal?.addEventListener("abort", () => timer.abort());
  try {
    const response = await fetch(address, {
      method: body ? "POST" : "GET",
      headers: body ? { "Content-Type": "application/json", ...headers } : headers,
      body,
      credentials: "omit",
      referrerPolicy: "no-referrer",
      signal: timer.signal,
    });
    const data = await response.json();
    return { status: response.status, data, wait: Number(response.headers.get("Retry-After")) || 0 };
  } catch {
    return { status: 0, data: null, wait: 0 };
  } finally {
    clearTimeout(bell);
  }
};

// Several boxes of one campaign on a page ask once.
const asked = new Map();
const fetchCampaign = (address, token) => {
  const key = `${address} ${token}`;
  if (!asked.has(key)) {
    const answer = request(address, { headers: token ? { Authorization: `Bearer ${token}` } : {} });
    asked.set(key, answer);
    answer.then(({ status }) => status === 200 || asked.delete(key));
  }
  return asked.get(key);
};

/** Why a request was refused: the name of a text for the reader. */
const explain = ({ status, data, wait }) => {
  const code = data?.error?.code ?? "";
  const fields = Object.values(data?.error?.fields ?? {}).flat().map((fault) => fault.code);
  if (status === 0) return { text: navigator.onLine === false ? "offline" : "no_answer" };
  if (fields.includes("campaign_ended") || fields.includes("unknown_campaign")) return { text: "ended" };
  if (status === 400 && fields.some((each) => /^(amount|currency|interval)_/.test(each))) return { text: "taken" };
  if (status === 429) return { text: "busy", gaps: { minutes: Math.max(1, Math.ceil(wait / 60)) } };
  if (code === "payments_unavailable") return { text: "unavailable", is_outage: true };
  if (status === 502) return { text: "refused", link: true };
  if (status === 503 || status === 409 || status >= 500) return { text: "no_answer", link: status !== 409 };
  return { text: "wrong", link: true };
};
