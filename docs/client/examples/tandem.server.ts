import { Tandem } from "../tandem.js";

export const tandem = new Tandem({
  baseUrl: process.env.TANDEM_URL ?? "http://127.0.0.1:9000",
  apiKey: process.env.TANDEM_API_KEY ?? "",
});

/** What the browser shall keep: the number for Mautic's script to read, its signature for the server alone. */
export const VISITOR_COOKIE = { path: "/", sameSite: "lax", secure: true, httpOnly: false } as const;
export const SIGNATURE_COOKIE = { path: "/", sameSite: "lax", secure: true, httpOnly: true } as const;
export const ONE_YEAR = 365 * 24 * 60 * 60;
