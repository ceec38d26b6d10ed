// A client of the API for browsers: it holds the access token in memory, exchanges the refresh token in one place
// across all tabs, and asks once more where a token has run out. No dependency; docs/clients.md shows how to use it.
//
// 1. One exchange at a time: Web Locks keep tabs apart. Who gets the lock first asks the other tabs, over a
//    BroadcastChannel, whether one of them has a newer token by now.
// 2. A lost answer is asked for again: for ten seconds the server gives the same successor once more.
// 3. Only the server's verdict on a refresh signs somebody out, in the tabs of that session alone: an access token may
//    be of an older one. A network that fails, or a server that is busy, never does.

const TRIES = 3; // exchanges sent before a network failure is told
const PAUSE = 700; // ms between them; all of them lie within the server's ten seconds
const PEERS_HAVE = 150; // ms that other tabs have to answer
const PATIENCE = 8_000; // ms that an exchange may take
const EARLY = 20_000; // ms before its end a token is replaced; a quarter of its life where that is less
const OVER = new Set(["refresh_invalid", "refresh_reused", "session_revoked", "session_expired"]);
const STALE = new Set(["access_expired", "access_invalid", "session_revoked", "session_expired"]);

/** What the server refuses with (RFC 9457): `code` is what to switch on, `detail` is for people. */
export class Problem extends Error {
  constructor(status, body, retryAfter) {
    super(body.detail || body.title || `The server answered ${status}.`);
    this.name = "Problem";
    this.status = status;
    this.code = body.code || "unknown";
    this.errors = body.errors || [];
    this.requestId = body.request_id || null;
    this.retryAfter = retryAfter; // whole seconds, or null
    this.body = body;
  }
}

/**
 * Make a client.
 *
 * @param {object} options
 * @param {string} [options.base] where the API is; "/api/v1" on the same origin
 * @param {"cookie"|"bearer"} [options.transport] cookie: the browser keeps the refresh token, out of reach of scripts
 *   (the front end is on the same site); bearer: `store` keeps it
 * @param {{get: Function, set: Function}} [options.store] for bearer: get() gives the refresh token or null, set(token
 *   or null) keeps it; both may be async. One store for all tabs.
 * @param {(code: string) => void} [options.onSignedOut] called in every tab when the session is over, with the code
 * @param {() => void} [options.onSignedIn] called in the other tabs when somebody signs in
 */
export function createClient({ base = "/api/v1", transport = "cookie", store = memory(), onSignedOut, onSignedIn } = {}) {
  const root = new URL(base.replace(/\/+$/, ""), location.href).href;
  const name = `gatehouse ${root}`;
  let peers = "BroadcastChannel" in globalThis ? new BroadcastChannel(name) : null;
  let held = null; // {token, session, until, early}
  let isKnown = false; // whether somebody was signed in while this tab was open
  let exchanging = null;
  let askAgain = 0; // when a server that was busy may be asked for a token again
  let busy = null;
  const waiting = new Set();

  if (peers) {
    peers.onmessage = ({ data }) => {
      const same = held === null || data.session === null || data.session === held.session;
      if (data.type === "ask" && same && isFresh(held) && held.until > data.until) {
        peers.postMessage({ type: "token", session: held.session, held });
      }
      if (data.type === "token" && same && data.held.until > (held?.until ?? 0)) keep(data.held);
      if (data.type === "in") {
        keep(data.held);
        onSignedIn?.();
      }
      if (data.type === "out" && same) letGo(data.code);
    };
  }

  function keep(newer) {
    held = newer;
    isKnown = true;
    for (const told of waiting) told();
  }

  function take(answer) {
    const life = answer.expires_in * 1000;
    const { access_token: token } = answer;
    keep({ token, session: sessionOf(token), until: Date.now() + life, early: Math.min(EARLY, life / 4) });
  }

  function letGo(code) {
    held = null;
    if (isKnown) onSignedOut?.(code);
    isKnown = false;
  }

  /** Ask the other tabs for a token that outlives *until*. */
  async function askPeers(until) {
    if (!peers) return;
    let told;
    const answered = new Promise((resolve) => waiting.add((told = resolve)));
    peers.postMessage({ type: "ask", session: held?.session ?? null, until });
    await Promise.race([answered, sleep(PEERS_HAVE)]);
    waiting.delete(told);
  }

  /** Replace the token that ends at *until*, unless another tab has done so. */
  async function exchange(until) {
    if ((held?.until ?? 0) <= until) await askPeers(until);
    if (isFresh(held) && held.until > until) return;
    if (Date.now() < askAgain) throw busy;
    let body = {};
    if (transport === "bearer") {
      const kept = await store.get();
      if (!kept) throw new Problem(401, { code: "not_authenticated", detail: "Nobody is signed in." }, null);
      body = { refresh_token: kept };
    }
    let answer;
    try {
      answer = await persistently(() =>
        send("/auth/refresh", { method: "POST", body, signal: AbortSignal.timeout(PATIENCE) }),
      );
    } catch (problem) {
      if (problem instanceof Problem && OVER.has(problem.code)) await over(problem.code);
      if (problem.retryAfter) {
        askAgain = Date.now() + problem.retryAfter * 1000;
        busy = problem;
      }
      throw problem;
    }
    if (answer.refresh_token) await store.set(answer.refresh_token);
    take(answer);
    peers?.postMessage({ type: "token", session: held.session, held });
  }

  /** Replace the token at hand; calls in this tab share one exchange, and tabs take turns. */
  function refresh() {
    const until = held?.until ?? 0;
    exchanging ??= inTurn(name, () => exchange(until)).finally(() => (exchanging = null));
    return exchanging;
  }

  async function over(code) {
    if (transport === "bearer") await store.set(null);
    peers?.postMessage({ type: "out", session: held?.session ?? null, code });
    letGo(code);
  }

  async function send(path, { method = "GET", body, headers = {}, signal, bearer } = {}) {
    const response = await fetch(root + path, {
      method,
      signal,
      credentials: "include",
      headers: {
        Accept: "application/json",
        "X-Auth-Transport": transport,
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...(bearer ? { Authorization: `Bearer ${bearer}` } : {}),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    const isJson = (response.headers.get("Content-Type") || "").includes("json");
    const answer = text && isJson ? JSON.parse(text) : null;
    if (response.ok) return answer;
    const pause = response.headers.get("Retry-After");
    throw new Problem(response.status, answer || {}, pause === null ? null : Number(pause));
  }

  /** Send a request as whoever is signed in; an access token that has run out is replaced, once. */
  async function request(path, options = {}) {
    if (!isFresh(held)) await refresh();
    const used = held;
    try {
      return await send(path, { ...options, bearer: used?.token });
    } catch (problem) {
      if (!(problem instanceof Problem) || problem.status !== 401 || !STALE.has(problem.code)) throw problem;
    }
    if (held === used) await refresh();
    return send(path, { ...options, bearer: held?.token });
  }

  async function signedIn(answer) {
    if (answer.status !== "authenticated") return answer;
    if (answer.refresh_token) await store.set(answer.refresh_token);
    take(answer);
    peers?.postMessage({ type: "in", session: held.session, held });
    return answer;
  }

  return {
    request,
    /** First step: answers `{status: "otp_required", challenge}`, or `authenticated` on a trusted device. */
    signIn: (email, password, more = {}) =>
      send("/auth/login", { method: "POST", body: { email, password, ...more } }).then(signedIn),
    /** Second step: the code for a challenge. */
    answer: (challengeId, code, more = {}) =>
      send("/auth/otp/verify", { method: "POST", body: { challenge_id: challengeId, code, ...more } }).then(signedIn),
    /** Who is signed in: `{session, user}`; null where nobody is. */
    async session() {
      try {
        return await request("/auth/session");
      } catch (problem) {
        if (problem instanceof Problem && problem.status === 401) return null;
        throw problem;
      }
    },
    /** End this session, in every tab. */
    async signOut() {
      const body = transport === "bearer" ? { refresh_token: (await store.get()) || undefined } : {};
      await persistently(() => send("/auth/logout", { method: "POST", body }));
      await over("signed_out");
    },
    /** Go on alone: hear nothing of the other tabs, and tell them nothing. */
    close() {
      peers?.close();
      peers = null;
    },
  };
}

function isFresh(held) {
  return held !== null && held.until - Date.now() > held.early;
}

/** The session that an access token names; what it says is believed by nobody but this module. */
function sessionOf(token) {
  return JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).sid;
}

function inTurn(name, work) {
  return navigator.locks ? navigator.locks.request(name, work) : work();
}

/** Send again where the network failed: the answer may have been lost, which the server allows for. */
async function persistently(work) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Problem || error.name === "AbortError" || attempt === TRIES) throw error;
      await sleep(PAUSE);
    }
  }
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function memory() {
  let kept = null;
  return { get: () => kept, set: (token) => (kept = token) };
}
