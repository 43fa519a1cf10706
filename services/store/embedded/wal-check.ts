// Whether a SQLite write-ahead log still holds all that was acknowledged. SQLite itself takes a damaged frame for the
// end of the log and drops what follows without a word; that is right for the one commit that was under way in a crash,
// and wrong for commits that were on disk. We commit one batch at a time, so two lost commits are damage.
// Format: https://sqlite.org/fileformat2.html#the_write_ahead_log (sections 4.1 and 4.2). Pure.

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const MAGIC_LITTLE_ENDIAN = 0x377f0682;
const MAGIC_BIG_ENDIAN = 0x377f0683;

export type WalVerdict = { readonly sound: true } | { readonly sound: false; readonly reason: string };

const SOUND: WalVerdict = { sound: true };

export function checkWal(wal: Uint8Array): WalVerdict {
  // A log of a header or less holds no commit.
  if (wal.byteLength <= HEADER_BYTES) return SOUND;
  const view = new DataView(wal.buffer, wal.byteOffset, wal.byteLength);
  const magic = view.getUint32(0);
  if (magic !== MAGIC_LITTLE_ENDIAN && magic !== MAGIC_BIG_ENDIAN) return damaged('its header is not that of a log');
  const checksum = new Checksum(view, magic === MAGIC_LITTLE_ENDIAN);
  checksum.add(0, 24);
  if (!checksum.equals(24)) return damaged('the checksum of its header is wrong');

  const frameBytes = FRAME_HEADER_BYTES + view.getUint32(8);
  const isCurrent = (frame: number) =>
    view.getUint32(frame + 8) === view.getUint32(16) && view.getUint32(frame + 12) === view.getUint32(20);
  let frame = HEADER_BYTES;
  for (; frame + frameBytes <= wal.byteLength && isCurrent(frame); frame += frameBytes) {
    checksum.add(frame, 8);
    checksum.add(frame + FRAME_HEADER_BYTES, frameBytes - FRAME_HEADER_BYTES);
    if (!checksum.equals(frame + 16)) break;
  }
  let lostCommits = 0;
  for (let at = frame; at + frameBytes <= wal.byteLength; at += frameBytes) {
    if (isCurrent(at) && view.getUint32(at + 4) !== 0) lostCommits++;
  }
  if (lostCommits < 2) return SOUND;
  return damaged(`the frame at byte ${frame} is damaged and ${lostCommits} commits lie at or behind it`);
}

const damaged = (reason: string): WalVerdict => ({ sound: false, reason });

class Checksum {
  readonly #view: DataView;
  readonly #littleEndian: boolean;
  #s0 = 0;
  #s1 = 0;

  constructor(view: DataView, littleEndian: boolean) {
    this.#view = view;
    this.#littleEndian = littleEndian;
  }

  add(start: number, bytes: number): void {
    for (let at = start; at < start + bytes; at += 8) {
      this.#s0 = (this.#s0 + this.#view.getUint32(at, this.#littleEndian) + this.#s1) >>> 0;
      this.#s1 = (this.#s1 + this.#view.getUint32(at + 4, this.#littleEndian) + this.#s0) >>> 0;
    }
  }

  equals(at: number): boolean {
    return this.#view.getUint32(at) === this.#s0 && this.#view.getUint32(at + 4) === this.#s1;
  }
}
