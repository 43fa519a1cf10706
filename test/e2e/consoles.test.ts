// Consoles as people open them: the stock client and ours print addresses, a browser opens them, the guest's screen and its
// terminal are there, and what is typed arrives.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { Chromium } from '../support/chromium.ts';
import { type CloudFolders, CloudProcess, cloudFolders } from '../support/cloud.ts';
import { GuestConsole } from '../support/guest-console.ts';
import { waitUntil } from '../support/wait.ts';

let folders: CloudFolders;
let cloud: CloudProcess;
let browser: Chromium;
let id: string;

beforeAll(async () => {
  folders = await cloudFolders('consoles');
  cloud = await CloudProcess.start(folders);
  await cloud.openstack(['image', 'set', '--property', 'hw_video_model=virtio', 'tiny']);
  for (const name of ['web1', 'blind']) {
    // An image's word counts for servers that are made from then on.
    if (name === 'blind') await cloud.openstack(['image', 'unset', '--property', 'hw_video_model', 'tiny']);
    const made = ['server', 'create', '--image', 'tiny', '--flavor', 'm1.tiny', '--network', 'private', '--wait', name];
    await cloud.openstack(made);
  }
  id = (await cloud.openstack(['server', 'show', '-f', 'value', '-c', 'id', 'web1'])).trim();
  browser = await Chromium.start();
});
afterAll(async () => {
  await browser?.end();
  await cloud?.end('SIGINT');
  await folders?.dispose();
});

const SHOW = ['console', 'url', 'show', '-f', 'value', '-c', 'url'];
const status = (): Promise<string> => browser.evaluate('document.getElementById("status")?.textContent ?? ""');
/** A person types these letters. */
async function pressAll(letters: string): Promise<void> {
  for (const letter of letters) {
    const upper = letter.toUpperCase();
    await browser.press(letter, `Key${upper}`, upper.charCodeAt(0));
  }
}
/** Size of the screen in the page, and how many of its pixels are not black. */
const screen = (): Promise<{ width: number; height: number; lit: number }> =>
  browser.evaluate(`(() => {
    const canvas = document.querySelector('#screen canvas');
    if (canvas === null) return { width: 0, height: 0, lit: 0 };
    const { width, height } = canvas;
    const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
    let lit = 0;
    for (let i = 0; i < data.length; i += 4) if (data[i] | data[i + 1] | data[i + 2]) lit++;
    return { width, height, lit };
  })()`);

it('the stock client and ours print addresses on the API of this cloud', async () => {
  const novnc = (await cloud.openstack([...SHOW, '--novnc', 'web1'])).trim();
  expect(novnc).toMatch(new RegExp(`^${cloud.url}/console/vnc_lite\\.html\\?path=console%2Fvnc%3Ftoken%3D`));
  expect((await cloud.openstack([...SHOW, '--serial', 'web1'])).trim()).toMatch(
    new RegExp(`^${cloud.url.replace('http', 'ws')}/console/serial\\?token=`),
  );
  expect((await cloud.cloudctl([...SHOW, '--novnc', 'web1'])).trim()).toMatch('/console/vnc_lite.html?path=');
  expect((await cloud.cloudctl([...SHOW, '--serial', 'web1'])).trim()).toMatch(/^ws:.*\/console\/serial\?token=/);
});

it('a server that has no screen says so', async () => {
  const answer = await cloud.tryOpenstack(['console', 'url', 'show', '--novnc', 'blind']);
  expect([answer.code, answer.stderr]).toEqual([1, expect.stringContaining('Unavailable console type novnc.')]);
});

it('the page shows the screen as it changes, and its keys reach the guest', { timeout: 180_000 }, async () => {
  await browser.open((await cloud.openstack([...SHOW, '--novnc', 'web1'])).trim());
  await waitUntil(async () => (await status()) === 'Connected', 30_000);
  // The kernel has printed its boot there.
  await waitUntil(async () => (await screen()).lit > 5000, 60_000);
  expect(await screen()).toMatchObject({ width: 1024, height: 768 });

  const serial = await GuestConsole.open(cloud.url, await cloud.token(), id);
  await serial.expect(/login: $/);
  const focus = 'document.querySelector("#screen canvas").focus()';
  /** Presses Enter, and waits until the screen stands still again, but for its cursor: programs forget what came too early. */
  const enter = async (): Promise<void> => {
    await browser.press('Enter', 'Enter', 13);
    let [last, still] = [Number.NaN, 0];
    await waitUntil(async () => {
      const { lit } = await screen();
      still = Math.abs(lit - last) < 40 ? still + 1 : 0;
      last = lit;
      return still === 20;
    }, 30_000);
  };
  const type = async (text: string): Promise<void> => {
    await browser.evaluate(`(() => {
      document.getElementById('text').value = ${JSON.stringify(text)};
      document.getElementById('typing').requestSubmit();
    })()`);
    await waitUntil(() => browser.evaluate<boolean>('!document.getElementById("text").disabled'));
    await browser.evaluate(focus);
  };
  // What a person presses goes out as scancodes, what is typed for them keeps its case and its signs.
  await browser.evaluate(focus);
  await pressAll('cirros');
  await enter();
  await type('gocubsgo');
  await enter();
  await type('echo "It Works: $((6*7))!" | sudo tee /dev/console');
  await browser.press('Enter', 'Enter', 13);
  await serial.expect(/It Works: 42!/);
  serial.close();
  expect(browser.complaints.filter((complaint) => !complaint.includes('favicon'))).toEqual([]);
});

it('the serial page is a terminal', { timeout: 120_000 }, async () => {
  const url = new URL((await cloud.openstack([...SHOW, '--serial', 'web1'])).trim());
  const path = encodeURIComponent(url.pathname.slice(1) + url.search);
  await browser.open(`${cloud.url}/console/serial.html?path=${path}`);
  await waitUntil(async () => (await status()) === 'Connected', 30_000);
  const text = (): Promise<string> => browser.evaluate('document.querySelector(".xterm-rows")?.textContent ?? ""');
  await waitUntil(async () => {
    await browser.press('Enter', 'Enter', 13);
    return /login:\s*$/.test(await text());
  }, 30_000);
  await pressAll('cirros');
  await browser.press('Enter', 'Enter', 13);
  await waitUntil(async () => /Password:\s*$/.test(await text()), 30_000);
  await pressAll('gocubsgo');
  await browser.press('Enter', 'Enter', 13);
  await waitUntil(async () => /\$\s*$/.test(await text()), 30_000);
  await pressAll('tty');
  await browser.press('Enter', 'Enter', 13);
  await waitUntil(async () => /\/dev\/(hvc0|ttyS0)/.test(await text()), 30_000);
});

it('an address that is not known any more says what to do', async () => {
  await browser.open(`${cloud.url}/console/vnc_lite.html?path=console/vnc%3Ftoken%3Dold`);
  await waitUntil(async () => (await status()).startsWith('Disconnected. Ask for a new address'), 30_000);
});
