// The note that a running cloud leaves in its state folder, so that `down`, `clean-state` and a second start find it.
// A pid alone may have been given to somebody else since: the note holds the process's start time too, and a process
// counts as the cloud only while both agree.

import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CumuletError } from '#base';

export interface RunningNote {
  readonly pid: number;
  /** Clock ticks since boot, from /proc; empty where there is no /proc. */
  readonly startTime: string;
  readonly url: string;
}

const noteFile = (state: string): string => join(state, 'running.json');

/** Field 22 of /proc/<pid>/stat, or undefined when there is no such process. */
async function startTimeOf(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses and may hold spaces.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The cloud that runs on this state folder, or undefined. */
export async function findRunning(state: string): Promise<RunningNote | undefined> {
  let note: RunningNote;
  try {
    note = JSON.parse(await readFile(noteFile(state), 'utf8')) as RunningNote;
  } catch {
    return undefined;
  }
  if (!exists(note.pid)) return undefined;
  const startTime = await startTimeOf(note.pid);
  return startTime === undefined || startTime === note.startTime ? note : undefined;
}

/** Leaves the note of this process. Throws 'conflict' when a cloud runs on the folder already. */
export async function leaveNote(state: string, url: string): Promise<void> {
  const running = await findRunning(state);
  if (running !== undefined && running.pid !== process.pid) {
    throw new CumuletError(
      'conflict',
      `A cloud runs on ${state} already (pid ${running.pid}, ${running.url || 'starting'}). Stop it with 'make down', or give another folder with --state.`,
    );
  }
  const note: RunningNote = { pid: process.pid, startTime: (await startTimeOf(process.pid)) ?? '', url };
  const temporary = `${noteFile(state)}.${process.pid}`;
  await writeFile(temporary, `${JSON.stringify(note)}\n`);
  await rename(temporary, noteFile(state));
}

/** Removes the note of this process; another's stays. */
export async function removeNote(state: string): Promise<void> {
  if ((await findRunning(state))?.pid === process.pid) await rm(noteFile(state), { force: true });
}

/**
 * Asks the cloud on this folder to stop (its guests are saved) and resolves when its process is gone; false when none
 * runs. Throws 'timeout' when it does not end.
 */
export async function stopRunning(state: string, milliseconds: number): Promise<boolean> {
  const running = await findRunning(state);
  if (running === undefined) return false;
  process.kill(running.pid, 'SIGTERM');
  const deadline = performance.now() + milliseconds;
  while ((await findRunning(state))?.pid === running.pid) {
    if (performance.now() > deadline) {
      throw new CumuletError('timeout', `The cloud (pid ${running.pid}) did not end within ${milliseconds / 1000} s.`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return true;
}
