// How a page looks: on a phone, a tablet, a screen and a wide one, in light and dark. A person reviews the
// pictures in results/screens; what a machine can see fails the test.
import { resolve } from "node:path";
import type { Page } from "@playwright/test";
import { expectAccessible, expectNoOverflow } from "./page.js";

const screens = resolve(import.meta.dirname, "../results/screens");
const widths = [390, 768, 1440, 1920] as const;
const themes = ["light", "dark"] as const;

/** Takes the page's pictures, and checks that it fits and can be read by everybody. */
export async function look(page: Page, name: string): Promise<void> {
  for (const width of widths) {
    await page.setViewportSize({ width, height: 900 });
    await expectNoOverflow(page);
    for (const colorScheme of themes) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.screenshot({ path: `${screens}/${name}-${width}-${colorScheme}.png`, fullPage: true });
      // The checks are slow. Colours differ by theme and the order of things by width: this sees all.
      const checked = colorScheme === "light" ? 390 : 1440;
      if (width === checked) await expectAccessible(page);
    }
  }
}
