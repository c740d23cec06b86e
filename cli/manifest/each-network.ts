/** Work for each network of a manifest. */
import { OverlayError } from '../../lib/errors.ts'
import { CallError } from '../connect.ts'
import type { Context } from '../context.ts'
import { forEachName } from '../each.ts'
import type { WantedNetwork } from './schema.ts'

/** As forEachName; what is refused is told with the network's name. */
export function forEachNetwork<T>(
  context: Context,
  wanted: readonly WantedNetwork[],
  work: (one: WantedNetwork) => Promise<T>,
): Promise<T[]> {
  return forEachName(context, wanted, async (one) => {
    try {
      return await work(one)
    } catch (error) {
      throw named(one.name, error)
    }
  })
}

function named(name: string, thrown: unknown): unknown {
  if (thrown instanceof CallError && thrown.reached !== 'answered') return thrown
  const error = OverlayError.from(thrown)
  return error.message.startsWith(`network ${name} `) ? thrown : error.saying(`network ${name}: ${error.message}`)
}
