/** Stands for your own code, of which the examples need this much. */

export interface User {
  id: string;
  email: string;
  firstName: string;
  tier: string;
}

/** Checks a login; `undefined` when it is wrong. */
export function logIn(credentials: unknown): Promise<User | undefined>;
