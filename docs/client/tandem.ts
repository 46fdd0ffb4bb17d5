/**
 * A client of Tandem's HTTP API: one file, `fetch` only, for servers and edge functions.
 *
 * Never use it in a browser: whoever has the API key may read and write every contact.
 *
 * The types are those of `docs/openapi.yaml`; `schema.d.ts` is generated from it.
 */
import type { components } from "./schema.js";

type Schemas = components["schemas"];

/** What a person is known by, and the visitor that the person was until now. */
export type IdentifyPayload = Schemas["IdentifyPayload"];
/** A contact as the application knows it. */
export type ContactPayload = Schemas["ContactPayload"];
/** Something that happened to a user. */
export type LifecycleEvent = Schemas["LifecycleEvent"];
/** A record of the application: its whole state. */
export type TandemRecord = Schemas["Record"];
/** A write that is stored, and that a job will do. */
export type Queued = Schemas["QueuedResult"];
/** A value that was left out. */
export type FieldIssue = Schemas["FieldIssue"];

/** Which contact: by its number in Mautic, by the application's id, or by address. */
export type WhichContact =
  | { mauticContactId: string | number }
  | { id: string | number }
  | { email: string };
/** Which campaign: by number, or by name. */
export type WhichCampaign = { campaignId: string | number } | { campaignName: string };
/** Which segment: by number, or by name. */
export type WhichSegment = { segmentId: string | number } | { segmentName: string };

/** What a server or an edge function has, as far as it is used here: no types of a browser, and none of Node, are needed. */
interface Platform {
  fetch: Fetch;
  setTimeout(work: (value?: undefined) => void, milliseconds: number, value?: undefined): unknown;
  clearTimeout(timer: unknown): void;
  AbortController: new () => { readonly signal: Signal; abort(): void };
  crypto?: { randomUUID?(): string };
}
const platform = globalThis as unknown as Platform;

/** What ends a call from outside: an `AbortSignal` is one. */
export interface Signal {
  readonly aborted: boolean;
  addEventListener(type: "abort", listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** What is needed of an answer: a `Response` is one. */
export interface Answer {
  readonly ok: boolean;
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  text(): Promise<string>;
}

/** What is needed of `fetch`. */
export type Fetch = (
  url: string,
  init: { method: string; headers: Record<string, string>; body?: string; signal: never },
) => Promise<Answer>;

/**
 * What must and may be said of events that the built-in rules know, by their names. Add your own:
 * `declare module "tandem-client" { interface EventProperties { order_completed: { total: number } } }`
 */
export interface EventProperties {
  user_signup: { tier?: string };
  plan_change: { new_tier: string; old_tier?: string; status?: string };
  subscription_cancelled: { status?: string };
  subscription_past_due: { status?: string };
  subscription_paused: { status?: string };
  subscription_resumed: { tier?: string };
  payment_succeeded: { amount: number; currency?: string };
  payment_refunded: { amount: number; currency?: string };
}

type Needed<P> = {} extends P ? { properties?: P & Record<string, unknown> } : { properties: P & Record<string, unknown> };

/** An event of this name, with the properties that the name asks for. Any name is taken; those of no type take any properties. */
export type EventOf<N extends string> = Omit<LifecycleEvent, "name" | "properties"> & { name: N } & (N extends keyof EventProperties
    ? Needed<EventProperties[N]>
    : Pick<LifecycleEvent, "properties">);

/** Which events a list holds. */
export interface EventFilter {
  /** At most so many; 50 unless said otherwise, 200 at most. */
  limit?: number;
  /** Only those in this state. */
  status?: Schemas["EventStatus"];
  /** Only those of the user with this id. */
  userId?: string | number;
  /** Go on after the event with this id. */
  after?: string;
}

/** Whether a write was put on the queue, because it could not be done now. */
export function isQueued(result: object): result is Queued {
  return "queued" in result && result.queued === true && "jobId" in result;
}

/** A call that did not succeed. */
export abstract class TandemError extends Error {
  /** Under which the call stands in Tandem's log. */
  readonly correlationId: string;

  constructor(message: string, correlationId: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.correlationId = correlationId;
  }
}

/** Tandem, or the gateway in front of it, answered with an error. */
export class TandemAnswerError extends TandemError {
  /** HTTP status. */
  readonly status: number;
  /** A stable code for programs; `gateway` when the answer is not Tandem's own. */
  readonly code: Schemas["ErrorCode"] | "gateway";
  /** What is wrong with the request, field by field. */
  readonly details: FieldIssue[];
  /** Seconds after which the call may be made again, when the answer says so. */
  readonly retryAfter: number | undefined;

  constructor(response: Answer, error: Schemas["Error"] | undefined, correlationId: string) {
    super(error?.message ?? `status ${response.status}, not from Tandem itself`, correlationId);
    this.status = response.status;
    this.code = error?.code ?? "gateway";
    this.details = error?.details ?? [];
    const seconds = Number(response.headers.get("retry-after") ?? NaN);
    this.retryAfter = Number.isFinite(seconds) ? seconds : undefined;
  }
}

/** No answer came in time. What was asked for may have been done. */
export class TandemTimeoutError extends TandemError {}

/** No answer came at all, or it broke off, or the caller's signal ended the call. What was asked for may have been done. */
export class TandemNetworkError extends TandemError {}

/** Settings of a client. */
export interface TandemOptions {
  /** Where Tandem is, such as `https://abc.execute-api.eu-central-1.amazonaws.com`. */
  baseUrl: string;
  /** The API key. */
  apiKey: string;
  /** How long a call may take in all, retries included, in milliseconds; 10 seconds unless said otherwise. */
  timeoutMs?: number;
  /** How often a call that is safe to repeat is repeated; twice unless said otherwise. */
  retries?: number;
  /** Another `fetch`, for tests. */
  fetch?: Fetch;
}

/** Settings of one call. */
export interface CallOptions {
  /** Names the call in Tandem's log; made when absent. */
  correlationId?: string;
  /** Names a write, so that a repeat within 24 hours gets the first answer and the client may repeat it by itself. */
  idempotencyKey?: string;
  /** Ends the call from outside. */
  signal?: Signal;
  /** In place of the client's. */
  timeoutMs?: number;
}

/** Settings of {@link Tandem.identifyQuietly}. */
export interface QuietOptions extends CallOptions {
  /** How long the login may wait, in milliseconds; 800 unless said otherwise. The call itself goes on. */
  budgetMs?: number;
  /** Keeps the platform from ending the work when the answer is sent: `ctx.waitUntil`, `after` and the like. */
  waitUntil?: (work: Promise<unknown>) => void;
  /** Is told of what went wrong. */
  onError?: (error: unknown) => void;
}

interface Call {
  method: "GET" | "POST";
  path: string;
  body?: unknown;
  /** Whether doing it twice is the same as doing it once. */
  safe: boolean;
}

/** Calls one Tandem with one key. */
export class Tandem {
  readonly #base: string;
  readonly #apiKey: string;
  readonly #timeoutMs: number;
  readonly #retries: number;
  readonly #fetch: Fetch;

  constructor(options: TandemOptions) {
    this.#base = options.baseUrl.replace(/\/+$/, "");
    this.#apiKey = options.apiKey;
    this.#timeoutMs = options.timeoutMs ?? 10_000;
    this.#retries = options.retries ?? 2;
    this.#fetch = options.fetch ?? ((url, init) => platform.fetch(url, init));
  }

  /**
   * Makes an anonymous visitor known, and says which number the browser shall have from now on.
   *
   * @throws {TandemError}
   */
  identify(payload: IdentifyPayload, options?: CallOptions): Promise<Schemas["IdentifyResult"] | Queued> {
    return this.#act({ action: "identify", payload }, false, options);
  }

  /**
   * The same for a login: it never throws, and answers within its budget, with `undefined` when there is nothing to set.
   * The call goes on behind the login; hand `waitUntil` over where the platform would end it.
   */
  async identifyQuietly(
    payload: IdentifyPayload,
    options: QuietOptions = {},
  ): Promise<Schemas["IdentifyResult"] | undefined> {
    const call = this.#identified(payload, options);
    try {
      options.waitUntil?.(call);
    } catch (error) {
      report(options, error);
    }
    let timer: unknown;
    const late = new Promise<undefined>((resolve) => {
      timer = platform.setTimeout(resolve, options.budgetMs ?? 800, undefined);
    });
    return Promise.race([call, late]).finally(() => platform.clearTimeout(timer));
  }

  async #identified(payload: IdentifyPayload, options: QuietOptions) {
    try {
      const result = await this.identify(payload, options);
      return isQueued(result) ? undefined : result;
    } catch (error) {
      report(options, error);
      return undefined;
    }
  }

  /**
   * Brings a contact to Mautic.
   *
   * @throws {TandemError}
   */
  upsertContact(payload: ContactPayload, options?: CallOptions): Promise<Schemas["UpsertResult"] | Queued> {
    return this.#act({ action: "upsert_contact", payload }, false, options);
  }

  /**
   * Puts a contact into a campaign.
   *
   * @throws {TandemError}
   */
  addToCampaign(whom: WhichContact & WhichCampaign, options?: CallOptions): Promise<Schemas["MembershipResult"] | Queued> {
    return this.#membership({ action: "add_to_campaign", ...whom }, options);
  }

  /**
   * Takes a contact out of a campaign.
   *
   * @throws {TandemError}
   */
  removeFromCampaign(whom: WhichContact & WhichCampaign, options?: CallOptions): Promise<Schemas["MembershipResult"] | Queued> {
    return this.#membership({ action: "remove_from_campaign", ...whom }, options);
  }

  /**
   * Puts a contact into a segment.
   *
   * @throws {TandemError}
   */
  addToSegment(whom: WhichContact & WhichSegment, options?: CallOptions): Promise<Schemas["MembershipResult"] | Queued> {
    return this.#membership({ action: "add_to_segment", ...whom }, options);
  }

  /**
   * Takes a contact out of a segment.
   *
   * @throws {TandemError}
   */
  removeFromSegment(whom: WhichContact & WhichSegment, options?: CallOptions): Promise<Schemas["MembershipResult"] | Queued> {
    return this.#membership({ action: "remove_from_segment", ...whom }, options);
  }

  #membership(action: Schemas["Action"], options?: CallOptions): Promise<Schemas["MembershipResult"] | Queued> {
    return this.#act(action, false, options);
  }

  /**
   * Deletes a contact from Mautic and from Tandem.
   *
   * @throws {TandemError}
   */
  deleteContact(whom: WhichContact, options?: CallOptions): Promise<Schemas["DeleteResult"] | Queued> {
    return this.#act({ action: "delete_contact", ...whom }, false, options);
  }

  /**
   * All that is held about a person.
   *
   * @throws {TandemError}
   */
  exportContact(whom: WhichContact, options?: CallOptions): Promise<Schemas["ExportResult"]> {
    return this.#act({ action: "export_contact", ...whom }, true, options);
  }

  /**
   * Brings rows of the source, by their ids, to Mautic.
   *
   * @throws {TandemError}
   */
  syncContacts(ids: (string | number)[], options?: CallOptions): Promise<Schemas["SyncContactsResult"]> {
    return this.#call({ method: "POST", path: "/mautic-sync/contacts", body: { ids }, safe: true }, options);
  }

  /**
   * All campaigns of Mautic.
   *
   * @throws {TandemError}
   */
  campaigns(options?: CallOptions): Promise<Schemas["CampaignsResult"]> {
    return this.#call({ method: "POST", path: "/mautic-sync/campaigns", body: {}, safe: true }, options);
  }

  /**
   * Is Mautic there?
   *
   * @throws {TandemError}
   */
  ping(options?: CallOptions): Promise<Schemas["PingResult"]> {
    return this.#act({ action: "ping" }, true, options);
  }

  /**
   * Hands records over, up to 500. Safe to repeat when they carry `updated_at`: then an older state changes nothing.
   *
   * @throws {TandemError}
   */
  records(records: TandemRecord[], options?: CallOptions): Promise<Schemas["RecordsResult"]> {
    const safe = records.every((record) => typeof record.updated_at === "string");
    return this.#call({ method: "POST", path: "/records", body: { records }, safe }, options);
  }

  /**
   * Says what happened to a user. Without `wait` it answers as soon as the event is stored.
   *
   * @throws {TandemError}
   */
  async event<const N extends string>(
    event: EventOf<N>,
    options?: CallOptions & { wait?: boolean },
  ): Promise<Schemas["EventResult"]> {
    const [result] = (await this.events([event as unknown as LifecycleEvent], options)).events;
    if (result === undefined) throw new TandemNetworkError("the answer tells nothing of the event", "unknown");
    return result;
  }

  /**
   * The same for up to 100 events. One without id or time gets both here, so that a repeat is the same event.
   *
   * @throws {TandemError}
   */
  events(events: LifecycleEvent[], options: CallOptions & { wait?: boolean } = {}): Promise<Schemas["EventsResult"]> {
    const time = new Date().toISOString();
    const named = events.map((event) => ({ id: randomId(), time, ...event }));
    const path = options.wait ? "/events?wait=true" : "/events";
    return this.#call({ method: "POST", path, body: { events: named }, safe: true }, options);
  }

  /**
   * One event with its steps.
   *
   * @throws {TandemError}
   */
  async getEvent(id: string, options?: CallOptions): Promise<Schemas["Event"]> {
    const path = `/events/${encodeURIComponent(id)}`;
    const found = await this.#call<Schemas["OneEventResult"]>({ method: "GET", path, safe: true }, options);
    return found.event;
  }

  /**
   * The newest events.
   *
   * @throws {TandemError}
   */
  async listEvents(filter: EventFilter = {}, options?: CallOptions): Promise<Schemas["Event"][]> {
    return (await this.eventPage(filter, options)).events;
  }

  /**
   * The same, with the cursor of the next page: `after` of the next call, `null` when there are no more.
   *
   * @throws {TandemError}
   */
  eventPage(filter: EventFilter = {}, options?: CallOptions): Promise<Schemas["EventListResult"]> {
    const given = Object.entries(filter).filter(([, value]) => value !== undefined);
    const query = given.map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join("&");
    const path = given.length > 0 ? `/events?${query}` : "/events";
    return this.#call<Schemas["EventListResult"]>({ method: "GET", path, safe: true }, options);
  }

  /**
   * All events, page by page, as long as one goes on asking.
   *
   * @throws {TandemError}
   */
  async *eachEvent(filter: EventFilter = {}, options?: CallOptions): AsyncGenerator<Schemas["Event"], void, undefined> {
    let after = filter.after;
    do {
      const page = await this.eventPage(after === undefined ? filter : { ...filter, after }, options);
      yield* page.events;
      after = page.next ?? undefined;
    } while (after !== undefined);
  }

  /**
   * Whether calls are taken.
   *
   * @throws {TandemError}
   */
  health(options?: CallOptions): Promise<Schemas["HealthResult"]> {
    return this.#call({ method: "GET", path: "/health", safe: true }, options);
  }

  #act<T>(action: Schemas["Action"], safe: boolean, options?: CallOptions): Promise<T> {
    return this.#call({ method: "POST", path: "/mautic-sync", body: action, safe }, options);
  }

  async #call<T>(call: Call, options: CallOptions = {}): Promise<T> {
    const correlationId = options.correlationId ?? randomId();
    const deadline = Date.now() + (options.timeoutMs ?? this.#timeoutMs);
    const safe = call.safe || options.idempotencyKey !== undefined;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#attempt<T>(call, options, correlationId, deadline);
      } catch (error) {
        const wait = pause(error, attempt);
        const again = attempt <= this.#retries && mayRepeat(error, safe) && Date.now() + wait < deadline;
        if (!again || options.signal?.aborted) throw error;
        await new Promise<void>((resolve) => platform.setTimeout(() => resolve(), wait));
      }
    }
  }

  async #attempt<T>(call: Call, options: CallOptions, correlationId: string, deadline: number): Promise<T> {
    const controller = new platform.AbortController();
    let late = false;
    const timer = platform.setTimeout(() => {
      late = true;
      controller.abort();
    }, Math.max(0, deadline - Date.now()));
    const abort = () => controller.abort();
    if (options.signal?.aborted) abort();
    options.signal?.addEventListener("abort", abort, { once: true });
    try {
      const response = await this.#fetch(this.#base + call.path, this.#request(call, options, correlationId, controller.signal));
      return await read<T>(response, correlationId);
    } catch (error) {
      if (error instanceof TandemError) throw error;
      if (late) throw new TandemTimeoutError("Tandem did not answer in time", correlationId, { cause: error });
      throw new TandemNetworkError("no answer came from Tandem", correlationId, { cause: error });
    } finally {
      platform.clearTimeout(timer);
      options.signal?.removeEventListener("abort", abort);
    }
  }

  #request(call: Call, options: CallOptions, correlationId: string, signal: Signal): Parameters<Fetch>[1] {
    const headers: Record<string, string> = {
      authorization: `Bearer ${this.#apiKey}`,
      "x-correlation-id": correlationId,
    };
    if (options.idempotencyKey !== undefined) headers["idempotency-key"] = options.idempotencyKey;
    if (call.method === "GET") return { method: "GET", headers, signal: signal as never };
    headers["content-type"] = "application/json";
    return { method: "POST", headers, body: JSON.stringify(call.body), signal: signal as never };
  }
}

/** The data of a good answer. */
async function read<T>(response: Answer, correlationId: string): Promise<T> {
  const text = await response.text();
  const body = parsed(text);
  if (response.ok && body?.ok === true) return body.data as T;
  throw new TandemAnswerError(response, body?.ok === false ? body.error : undefined, correlationId);
}

function parsed(text: string): { ok: true; data: unknown } | Schemas["ErrorAnswer"] | undefined {
  try {
    return JSON.parse(text) ?? undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether a call that failed so may be made again. With 429, and with 409 while the first call with a key runs, nothing was
 * done; after anything else it may have been, so that only what is safe to repeat is repeated.
 */
function mayRepeat(error: unknown, safe: boolean): boolean {
  if (!(error instanceof TandemAnswerError)) return safe && error instanceof TandemNetworkError;
  if (error.status === 429 || error.code === "in_progress") return true;
  return safe && [502, 503, 504].includes(error.status);
}

/** Milliseconds until the next attempt: as the answer says, else longer each time, with chance so that callers spread. */
function pause(error: unknown, attempt: number): number {
  const told = error instanceof TandemAnswerError ? error.retryAfter : undefined;
  return told === undefined ? 200 * 2 ** (attempt - 1) * (0.5 + Math.random() / 2) : told * 1_000;
}

function report(options: QuietOptions, error: unknown): void {
  try {
    options.onError?.(error);
  } catch {
    // Whoever listens must not be able to break a login either.
  }
}

/** Unique, not secret. Node 18 has no global `crypto`. */
function randomId(): string {
  const random = () => Math.random().toString(16).slice(2, 14).padEnd(12, "0");
  return platform.crypto?.randomUUID?.() ?? `${Date.now().toString(16)}-${random()}${random()}`;
}
