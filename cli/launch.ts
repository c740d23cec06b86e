/** What `overlayctl` is when built: starts the bundle of main.ts beside it. */
import { join } from 'node:path'
import { loadBundle } from './code-cache.ts'

loadBundle(join(import.meta.dirname, 'overlayctl-bundle.cjs')).run()
