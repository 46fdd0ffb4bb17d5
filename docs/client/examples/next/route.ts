// app/api/login/route.ts
import { after, NextResponse, type NextRequest } from "next/server";
import { logIn } from "../application.js";
import { ONE_YEAR, SIGNATURE_COOKIE, VISITOR_COOKIE, tandem } from "../tandem.server.js";

export async function POST(request: NextRequest): Promise<NextResponse> {
  const user = await logIn(await request.json());
  if (!user) return NextResponse.json({ error: "wrong name or password" }, { status: 401 });
  const cookie = (name: string) => request.cookies.get(name)?.value ?? null;
  const known = await tandem.identifyQuietly(
    {
      id: user.id,
      email: user.email,
      first_name: user.firstName,
      mtc_id: cookie("mtc_id"),
      mtc_signature: cookie("mtc_signature"),
    },
    { budgetMs: 500, waitUntil: after },
  );
  const response = NextResponse.json({ id: user.id });
  if (known?.setCookie && cookie("consent") === "tracking") {
    response.cookies.set("mtc_id", known.setCookie.mtc_id, { ...VISITOR_COOKIE, maxAge: ONE_YEAR });
    response.cookies.set("mtc_signature", known.mtcSignature ?? "", { ...SIGNATURE_COOKIE, maxAge: ONE_YEAR });
  }
  after(tandem.event({ name: "user_login", user: { id: user.id, email: user.email } }).catch(() => undefined));
  return response;
}
