// A list of checks that run in order; the first that fails ends the program with its name.

export const checks = [];

export function check(name, body) {
  checks.push({ name, body });
}

export async function run(title) {
  const started = Date.now();
  for (const { name, body } of checks) {
    try {
      await body();
      console.log(`ok    ${name}`);
    } catch (error) {
      console.error(`FAIL  ${name}\n${error?.stack ?? error}`);
      if (error?.raw) console.error('answer:', JSON.stringify(error.raw));
      process.exit(1);
    }
  }
  console.log(`${title}: ${checks.length} checks in ${Date.now() - started} ms`);
}

/** Asks until the answer is truthy; what is waited for is said when it does not come. */
export async function until(what, ask, seconds = 20) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > deadline) throw new Error(`waited ${seconds} s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
