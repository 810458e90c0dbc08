// What the service is asked, and what may come of it.

const TIMEOUT_MS = 10_000;

/** The token is not accepted. */
export class Refused extends Error {}

/** The service lacks something that it would have to ask for. */
export class Unavailable extends Error {}

/** Return the body that answers GET path; a status that is neither good nor in `also` is an error. */
export async function ask(path, { token, parameters = {}, also = [] } = {}) {
  const asked = Object.entries(parameters).filter(([, value]) => value !== "");
  const address = asked.length ? `${path}?${new URLSearchParams(asked)}` : path;
  const headers = { Accept: "application/json", ...(token && { Authorization: `Token ${token}` }) };
  const response = await fetch(address, { headers, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) })
    .catch((error) => { throw new Error(`The service does not answer (${error.name}).`); });
  if (response.status === 403) throw new Refused();
  const body = await response.text();
  if (response.ok || also.includes(response.status)) return body;
  throw new (response.status === 503 ? Unavailable : Error)(told(body, response.status));
}

function told(body, status) {
  try {
    return `The service answers: ${JSON.parse(body).message}.`;
  } catch {
    return `The service answers with status ${status}.`;
  }
}
