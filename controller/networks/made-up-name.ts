/** Names for networks whose maker gave none. */
import { OverlayError } from '../../lib/errors.ts'

const adjectives =
  'amber bold brave brief bright brisk broad calm clear clever cosmic crisp deep eager early fair fast fine fluent free fresh gentle glad golden grand green happy hidden honest humble jolly keen kind late light lively lucid lunar mellow merry mild misty modest neat noble open patient plain proud quick quiet rapid rare ready rustic silent silver simple smooth solar solid spry steady sunny swift tidy vivid warm wide wise witty'.split(
    ' ',
  )
const nouns =
  'anchor arch atlas badger bay beacon bridge brook canyon castle cedar channel cliff cloud coast comet coral cove crane creek delta dune eagle ember falcon ferry field finch fjord forest garden gate glade grove harbor haven hawk heron hill island lagoon lake lantern ledge maple marsh meadow mesa moon moor otter path peak pier pine plain plaza pond prairie quarry rapids reef ridge river robin shore sparrow spring stream summit tern trail valley willow'.split(
    ' ',
  )

/**
 * A name such as `quiet-harbor` that is not in `taken`.
 * @param random gives numbers from 0 up to 1, as Math.random.
 * @throws OverlayError `exhausted`
 */
export function madeUpName(taken: ReadonlySet<string>, random: () => number): string {
  const count = adjectives.length * nouns.length
  const start = Math.floor(random() * count)
  // From a random one on through all of them, so that it ends.
  for (let step = 0; step < count; step++) {
    const at = (start + step) % count
    const name = `${adjectives[at % adjectives.length]}-${nouns[Math.floor(at / adjectives.length)]}`
    if (!taken.has(name)) return name
  }
  throw new OverlayError('exhausted', 'all made-up names are in use: name the network')
}
