/** Text that somebody else wrote, in messages: it may be anything, of any length. */

/** As many characters of it as tell a person which one is meant. */
const shown = 80

/** In double quotes, on one line, cut short, and with nothing in it that a terminal would act on. */
export function quote(text: string): string {
  return JSON.stringify(shorten(text)).replaceAll(/[\p{Cc}\p{Cf}]/gu, escaped)
}

/** Its beginning; no character is cut in two. */
export function shorten(text: string, most = shown): string {
  if (text.length <= most) return text
  return `${text.slice(0, most).replace(/[\ud800-\udbff]$/, '')}…`
}

function escaped(character: string): string {
  return `\\u{${character.codePointAt(0)?.toString(16)}}`
}
