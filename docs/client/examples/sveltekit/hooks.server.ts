// src/hooks.server.ts; your own handle, which sets `locals.user`, comes before it: sequence(yours, identify).
import type { Cookies, Handle } from "@sveltejs/kit";
import type { User } from "../application.js";
import { ONE_YEAR, SIGNATURE_COOKIE, VISITOR_COOKIE, tandem } from "../tandem.server.js";

declare global {
  namespace App {
    interface Locals {
      user?: User;
    }
    interface Platform {
      ctx?: { waitUntil(work: Promise<unknown>): void };
    }
  }
}

/** The first page after a login: once a user, not at each page. */
export const identify: Handle = async ({ event, resolve }) => {
  const { cookies, locals, platform } = event;
  if (locals.user && cookies.get("identified") !== locals.user.id) {
    const known = await tandem.identifyQuietly(
      {
        id: locals.user.id,
        email: locals.user.email,
        first_name: locals.user.firstName,
        mtc_id: cookies.get("mtc_id") ?? null,
        mtc_signature: cookies.get("mtc_signature") ?? null,
      },
      { budgetMs: 500, waitUntil: (work) => platform?.ctx?.waitUntil(work) },
    );
    if (known) keep(cookies, known);
    // When it was too slow it is tried again in ten minutes, not at the next page.
    cookies.set("identified", locals.user.id, { path: "/", maxAge: known ? ONE_YEAR : 600 });
  }
  return resolve(event);
};

function keep(cookies: Cookies, known: { setCookie: { mtc_id: string } | null; mtcSignature: string | null }): void {
  if (!known.setCookie || cookies.get("consent") !== "tracking") return; // as your consent banner calls it
  cookies.set("mtc_id", known.setCookie.mtc_id, { ...VISITOR_COOKIE, maxAge: ONE_YEAR });
  cookies.set("mtc_signature", known.mtcSignature ?? "", { ...SIGNATURE_COOKIE, maxAge: ONE_YEAR });
}
