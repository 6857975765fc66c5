// Screenshots of every page, light and dark, wide and narrow, for somebody who looks at them: node tests/browser/tour.mjs DIRECTORY [FILTER]
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { browser, demo, signIn, visitor } from './lib.mjs';
import { furnish, pages } from './pages.mjs';

const [directory = 'shots', filter = ''] = process.argv.slice(2);
const modes = [['light', 1280], ['dark', 1280], ['light', 360], ['dark', 360]];
mkdirSync(directory, { recursive: true });
const world = await demo({ speed: 20 });
const chrome = await browser();
try {
  const known = await furnish(world);
  const list = pages(known).filter(([, address]) => address.includes(filter));
  for (const [colorScheme, width] of modes) {
    for (const person of new Set(list.map(([, , p]) => p))) {
      const { context } = await visitor(chrome, { colorScheme, viewport: { width, height: 900 } });
      const page = await context.newPage();
      if (person) await signIn(page, world, person);
      for (const [, address] of list.filter(([, , p]) => p === person)) {
        await page.goto(world.url + address);
        const name = `${address.replace(/^\/apps\/stateless-app/, '/app').replace(/[/?=]+/g, '-').replace(/^-/, '') || 'home'}-${person ?? 'nobody'}-${width}-${colorScheme}.png`;
        await page.screenshot({ path: path.join(directory, name), fullPage: true });
      }
      await context.close();
    }
  }
} finally {
  await chrome.close();
  await world.stop();
}
