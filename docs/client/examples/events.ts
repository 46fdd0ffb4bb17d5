import type { User } from "./application.js";
import { isQueued, TandemAnswerError } from "../tandem.js";
import { tandem } from "./tandem.server.js";

/** After the account is stored. The id makes a repeat (a retried job, a second click) the same event. */
export async function signedUp(user: User, visitor: string | undefined): Promise<void> {
  await tandem.event({
    id: `signup-${user.id}`,
    name: "user_signup",
    user: { id: user.id, email: user.email, first_name: user.firstName, mtc_id: visitor ?? null },
    properties: { tier: user.tier },
  });
}

/** After the plan is changed. `changeId` is the id of the change in your own database. */
export async function planChanged(user: User, oldTier: string, changeId: string): Promise<void> {
  await tandem.event({
    id: `plan-${changeId}`,
    name: "plan_change",
    user: { id: user.id, email: user.email },
    properties: { old_tier: oldTier, new_tier: user.tier },
  });
}

/** What was refused, and why: the only failures that repeating does not mend. */
export async function updateProfile(user: User): Promise<string[]> {
  try {
    const result = await tandem.upsertContact({ id: user.id, contact: { email: user.email, first_name: user.firstName } });
    if (isQueued(result)) console.info(`Mautic is away (${result.reason}); job ${result.jobId} does it later`);
    return result.fieldIssues.map((issue) => `${issue.field}: ${issue.message}`);
  } catch (error) {
    if (!(error instanceof TandemAnswerError) || error.status !== 422) throw error;
    return error.details.map((issue) => `${issue.field}: ${issue.message}`);
  }
}
