import type { Request, Response } from "express";
import { logIn } from "./application.js";
import { ONE_YEAR, SIGNATURE_COOKIE, VISITOR_COOKIE, tandem } from "./tandem.server.js";

/** app.use(express.json(), cookieParser()); app.post("/login", login) */
export async function login(request: Request, response: Response): Promise<void> {
  const user = await logIn(request.body);
  if (!user) {
    response.sendStatus(401);
    return;
  }
  const known = await tandem.identifyQuietly(
    {
      id: user.id,
      email: user.email,
      first_name: user.firstName,
      ip: request.ip ?? null,
      mtc_id: request.cookies.mtc_id,
      mtc_signature: request.cookies.mtc_signature,
    },
    { budgetMs: 500, onError: (error) => console.warn("Tandem:", error) },
  );
  if (known?.setCookie && request.cookies.consent === "tracking") {
    const maxAge = ONE_YEAR * 1000;
    response.cookie("mtc_id", known.setCookie.mtc_id, { ...VISITOR_COOKIE, maxAge });
    response.cookie("mtc_signature", known.mtcSignature ?? "", { ...SIGNATURE_COOKIE, maxAge });
  }
  response.json({ id: user.id });
  // Nobody waits for this one any more.
  tandem.event({ name: "user_login", user: { id: user.id, email: user.email } }).catch(() => {});
}
