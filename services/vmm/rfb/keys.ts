// From a viewer's keys to those of the guest's keyboard (codes of Linux's input layer). A viewer that can, sends the
// scancode of the key itself, so that the guest's own layout decides; from the others come X keysyms, which are taken as
// typed on a US keyboard.

const KEY_LEFTSHIFT = 42;
const KEY_RIGHTSHIFT = 54;

export const isShift = (code: number): boolean => code === KEY_LEFTSHIFT || code === KEY_RIGHTSHIFT;
export const SHIFT = KEY_LEFTSHIFT;

export interface Key {
  readonly code: number;
  /** Only with Shift does a US keyboard give this character. */
  readonly shifted: boolean;
}

/** Rows of a US keyboard: code of the first key, what the keys give, what they give with Shift. */
const ROWS: readonly (readonly [number, string, string])[] = [
  [2, '1234567890-=', '!@#$%^&*()_+'],
  [16, 'qwertyuiop[]', 'QWERTYUIOP{}'],
  [30, "asdfghjkl;'`", 'ASDFGHJKL:"~'],
  [43, '\\zxcvbnm,./', '|ZXCVBNM<>?'],
  [57, ' ', ''],
];

/** Keysyms beyond characters (X11/keysymdef.h). */
const SPECIAL: Readonly<Record<number, number>> = {
  65288: 14, // BackSpace
  65289: 15, // Tab
  65056: 15, // ISO_Left_Tab
  65293: 28, // Return
  65299: 119, // Pause
  65300: 70, // Scroll_Lock
  65301: 99, // Sys_Req
  65307: 1, // Escape
  65360: 102, // Home
  65361: 105, // Left
  65362: 103, // Up
  65363: 106, // Right
  65364: 108, // Down
  65365: 104, // Page_Up
  65366: 109, // Page_Down
  65367: 107, // End
  65377: 99, // Print
  65379: 110, // Insert
  65383: 127, // Menu
  65387: 119, // Break
  65407: 69, // Num_Lock
  65408: 57, // KP_Space
  65421: 96, // KP_Enter
  65429: 71, // KP_Home, KP_Left, KP_Up, KP_Right, KP_Down, KP_Page_Up, KP_Page_Down, KP_End, KP_Begin, KP_Insert, KP_Delete
  65430: 75,
  65431: 72,
  65432: 77,
  65433: 80,
  65434: 73,
  65435: 81,
  65436: 79,
  65437: 76,
  65438: 82,
  65439: 83,
  65450: 55, // KP_Multiply
  65451: 78, // KP_Add
  65452: 83, // KP_Separator
  65453: 74, // KP_Subtract
  65454: 83, // KP_Decimal
  65455: 98, // KP_Divide
  65456: 82, // KP_0 to KP_9
  65457: 79,
  65458: 80,
  65459: 81,
  65460: 75,
  65461: 76,
  65462: 77,
  65463: 71,
  65464: 72,
  65465: 73,
  65469: 117, // KP_Equal
  65505: KEY_LEFTSHIFT,
  65506: KEY_RIGHTSHIFT,
  65507: 29, // Control_L
  65508: 97, // Control_R
  65509: 58, // Caps_Lock
  65511: 56, // Meta_L
  65512: 100, // Meta_R
  65513: 56, // Alt_L
  65514: 100, // Alt_R
  65027: 100, // ISO_Level3_Shift
  65406: 100, // Mode_switch
  65515: 125, // Super_L
  65516: 126, // Super_R
  65535: 111, // Delete
};

function keysyms(): ReadonlyMap<number, Key> {
  const keys = new Map<number, Key>();
  for (const [first, plain, shifted] of ROWS) {
    for (const [i, character] of [...plain].entries())
      keys.set(character.charCodeAt(0), { code: first + i, shifted: false });
    for (const [i, character] of [...shifted].entries())
      keys.set(character.charCodeAt(0), { code: first + i, shifted: true });
  }
  for (const [keysym, code] of Object.entries(SPECIAL)) keys.set(Number(keysym), { code, shifted: false });
  // F1 to F10, F11 and F12, F13 to F24.
  for (let f = 0; f < 24; f++)
    keys.set(0xffbe + f, { code: f < 10 ? 59 + f : f < 12 ? 87 + f - 10 : 183 + f - 12, shifted: false });
  return keys;
}

const KEYSYMS = keysyms();

export const keyOfKeysym = (keysym: number): Key | undefined => KEYSYMS.get(keysym);

/** Scancodes of set 1 that are not the key's code: those after 0xe0 (bit 7 set, as viewers send them), and keys of other countries. */
const SCANCODES: Readonly<Record<number, number>> = {
  84: 99, // SysRq
  89: 117, // KP_Equal
  112: 93, // Katakana
  115: 89, // Ro
  118: 194, // F24
  121: 92, // Henkan
  123: 94, // Muhenkan
  125: 124, // Yen
  126: 121, // KP_Comma
  156: 96, // KP_Enter
  157: 97, // Right Control
  160: 113, // Mute
  174: 114, // Volume down
  176: 115, // Volume up
  181: 98, // KP_Divide
  183: 99, // Print
  184: 100, // Right Alt
  198: 119, // Pause
  199: 102, // Home
  200: 103, // Up
  201: 104, // Page Up
  203: 105, // Left
  205: 106, // Right
  207: 107, // End
  208: 108, // Down
  209: 109, // Page Down
  210: 110, // Insert
  211: 111, // Delete
  219: 125, // Left Super
  220: 126, // Right Super
  221: 127, // Menu
};

const LAST_SAME = 0x58;
const F13 = 0x64;
const F23 = 0x6e;

export function codeOfScancode(scancode: number): number | undefined {
  const special = SCANCODES[scancode];
  if (special !== undefined) return special;
  if (scancode >= 1 && scancode <= LAST_SAME) return scancode;
  return scancode >= F13 && scancode <= F23 ? 183 + scancode - F13 : undefined;
}
