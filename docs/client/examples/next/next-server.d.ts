// What the example needs of `next/server`, as Next.js 16 types it. The real package is 200 MB, too much for three names.
declare module "next/server" {
  interface CookieOptions {
    path?: string;
    maxAge?: number;
    sameSite?: "lax" | "strict" | "none" | boolean;
    secure?: boolean;
    httpOnly?: boolean;
  }

  export class NextRequest extends Request {
    readonly cookies: { get(name: string): { name: string; value: string } | undefined };
  }

  export class NextResponse extends Response {
    static override json(body: unknown, init?: ResponseInit): NextResponse;
    readonly cookies: { set(name: string, value: string, options?: CookieOptions): unknown };
  }

  /** Runs, or waits for, what shall outlive the answer. */
  export function after(task: Promise<unknown> | (() => unknown)): void;
}
