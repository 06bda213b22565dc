// How the journeys run: one after another, each once, in the system's Chromium. A journey that
// passes only at its second try has found a race, so there are no retries.
import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: "journeys",
  workers: 1,
  retries: 0,
  forbidOnly: true,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  reporter: [["list"], ["json", { outputFile: "results/report.json" }]],
  outputDir: "results/artifacts",
  use: {
    headless: true,
    locale: "en-GB",
    // Not the server's zone, so that a time shown in the wrong one is seen.
    timezoneId: "America/New_York",
    // Recording every step takes as long as the steps; `npx playwright test --trace on` does it.
    trace: "off",
    screenshot: "only-on-failure",
    launchOptions: {
      executablePath: process.env.KEYRACK_CHROMIUM ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
});
