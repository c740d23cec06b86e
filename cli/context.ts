/** What a command is given to work with. */
import type { Host } from './cluster/host.ts'
import type { Heard, Peer } from './connect.ts'
import type { Globals } from './globals.ts'

/** The process around the program, so that tests can put another one there. */
export interface Surroundings {
  readonly env: NodeJS.ProcessEnv
  readonly stdout: Output
  readonly stderr: { write(text: string): unknown }
  /**
   * Asks the person; undefined when standard input is not a terminal. The answer is
   * undefined at its end (Ctrl-D).
   */
  readonly ask: ((question: string, interrupted: AbortSignal) => Promise<string | undefined>) | undefined
  /** Standard input, to its end. */
  readonly input: (interrupted: AbortSignal) => Promise<string>
  readonly now: () => Date
  readonly host: Host
  readonly signals: Signals
}

export interface Output {
  write(text: string): unknown
  /** With its size in characters. */
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
}

export interface Signals {
  /** Aborts at Ctrl-C, SIGTERM or SIGHUP; the reason is the signal's name. */
  readonly interrupted: AbortSignal
  /** From now on signals go to `listener` and abort nothing, until the function returned is called. */
  redirect(listener: (signal: NodeJS.Signals) => void): () => void
}

export interface Context extends Surroundings {
  readonly globals: Globals
  readonly controller: Peer
  readonly agent: Peer
  /** Of the controllers that this command has asked. */
  readonly heard: Readonly<Heard>
  /** A line for people on standard error. */
  readonly note: (line: string) => void
  /** Tells of a failure that the command goes on past; the exit code will be 1. */
  readonly report: (error: unknown) => void
}

/** Does a command's work and gives the exit code. */
export type Action<A extends readonly unknown[]> = (context: Context, ...args: A) => Promise<number>

/** Makes of an action what commander calls. */
export type Runner = <A extends unknown[]>(action: Action<A>) => (...args: A) => Promise<void>
