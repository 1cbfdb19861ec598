// The server's answers, and its refusals as errors that say what, which field, and how long to wait.

async function ask(path, options = {}) {
  const headers = state.key ? { Authorization: `Bearer ${state.key}` } : {};
  const reply = await fetch(path, { ...options, headers }).catch((error) => {
    throw error.name === "AbortError" ? error : new Error("The server does not answer. Does it still run?");
  });
  const body = await reply.json().catch(() => null);
  if (body && (reply.ok || path === "/health")) return body;
  const error = new Error(body?.error?.message || `The server answered ${reply.status} without saying why.`);
  throw Object.assign(error, { status: reply.status, param: body?.error?.param, wait_s: waitOf(reply) });
}

// Retry-After in seconds, from now: a number or a date.
function waitOf(reply) {
  const value = reply.headers.get("Retry-After") || "0";
  const seconds = /^\d+$/u.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Math.max(0, Math.ceil(seconds || 0));
}
