#!/usr/bin/env bash
# Packs the client and uses the package as others do: by `import`, by `require`, and from TypeScript without types of browsers or
# of Node.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tarball=$(npm pack --silent --pack-destination "$work")
mkdir -p "$work/node_modules/tandem-client"
tar -xzf "$work/$tarball" -C "$work/node_modules/tandem-client" --strip-components 1

cd "$work"
node --input-type=commonjs -e 'const { Tandem } = require("tandem-client"); new Tandem({ baseUrl: "http://x", apiKey: "k" })'
node --input-type=module -e 'import { Tandem } from "tandem-client"; new Tandem({ baseUrl: "http://x", apiKey: "k" })'
cat >use.mts <<'END'
import { Tandem } from "tandem-client";

declare module "tandem-client" {
  interface EventProperties {
    order_completed: { total: number };
  }
}

const tandem = new Tandem({ baseUrl: "http://x", apiKey: "k" });
export async function use(): Promise<number> {
  await tandem.event({ name: "plan_change", user: { id: "1" }, properties: { new_tier: "pro" } });
  await tandem.event({ name: "order_completed", user: { id: "1" }, properties: { total: 1 } });
  await tandem.event({ name: "anything_else", user: { id: "1" }, properties: { any: true } });
  // @ts-expect-error A change of plan names the tier.
  await tandem.event({ name: "plan_change", user: { id: "1" } });
  // @ts-expect-error An amount is a number.
  await tandem.event({ name: "payment_succeeded", user: { id: "1" }, properties: { amount: "1" } });
  let count = 0;
  for await (const event of tandem.eachEvent({ status: "parked" })) count += event.steps.length;
  return count;
}
END
cp use.mts use.cts
cat >tsconfig.json <<'END'
{
  "compilerOptions": {
    "noEmit": true, "strict": true, "skipLibCheck": false, "exactOptionalPropertyTypes": true,
    "target": "ES2022", "lib": ["ES2022"], "types": [], "module": "NodeNext", "moduleResolution": "NodeNext"
  },
  "files": ["use.mts", "use.cts"]
}
END
"$OLDPWD/node_modules/.bin/tsc"
echo "client package: ok ($tarball)"
