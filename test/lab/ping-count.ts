/** What a run of ping comes to. */

export interface PingCount {
  readonly sent: number
  readonly received: number
  /** Sequence numbers of the requests that were not answered; of several runs at once, all of theirs. */
  readonly lost: readonly number[]
}

/**
 * Reads the output of `ping` (iputils), ended by SIGINT. The last request does
 * not count if it has no answer: it was on its way when ping was ended.
 * @throws Error when there is no summary.
 */
export function countAnswers(output: string): PingCount {
  const transmitted = Number(/^(\d+) packets transmitted/m.exec(output)?.[1])
  if (Number.isNaN(transmitted)) throw new Error(`ping has no summary:\n${output.slice(-500)}`)
  const answers = [...output.matchAll(/bytes from .*icmp_seq=(\d+)/g)].map(([, sequence]) => Number(sequence))
  const answered = new Set(unwrap(answers))
  const sent = answered.has(transmitted) ? transmitted : transmitted - 1
  const lost = Array.from({ length: sent }, (_, index) => index + 1).filter((sequence) => !answered.has(sequence))
  return { sent, received: sent - lost.length, lost }
}

/** The field has 16 bits: after 65535 comes 0. */
function unwrap(sequences: readonly number[]): readonly number[] {
  let turns = 0
  return sequences.map((sequence, index) => {
    if (index > 0 && sequence < (sequences[index - 1] ?? 0) - 32_768) turns++
    return sequence + turns * 65_536
  })
}
